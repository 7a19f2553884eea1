"""Swin-B up to stride 16: the encoder of the SwinB models (Liu et al. 2021, without the fourth stage)."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ermu.export.encoder import Encoder, EncoderMaps
from ermu.export.network.layers import to_map, to_tokens

WINDOW = 7
SHIFT = 3
REGION_BIAS = -100.0  # between tokens that only rolling has brought into one window


class Windows(NamedTuple):
    """How the tokens of a grid lie in windows of 7 x 7; gathers alone, so that every size traces alike.

    Attributes:
        tokens: M, of the windows, 49 a window: for each the index of its token, n where it is padding.
        places: n, of the grid's tokens: for each its index among the windows' tokens.
        bias: windows x 1 x 49 x 49, added to the logits; None where nothing is rolled.
    """

    tokens: Tensor
    places: Tensor
    bias: Tensor | None


def windows_of(hw: tuple[int, int], shift: int, like: Tensor) -> Windows:
    """Windows of a grid that is padded right and below to multiples of 7, then rolled by -`shift`."""
    rows, columns = (_along(side, shift, like) for side in hw)
    inside = (rows.source < hw[0])[:, None] & (columns.source < hw[1])
    tokens = torch.where(inside, rows.source[:, None] * hw[1] + columns.source, hw[0] * hw[1])
    across = rows.source.shape[0] // WINDOW, columns.source.shape[0] // WINDOW
    order = torch.arange(across[0] * across[1] * WINDOW * WINDOW, device=like.device)
    split = order.view(*across, WINDOW, WINDOW)
    grid = split.transpose(1, 2).reshape(tokens.shape)
    places = grid.index_select(0, rows.target).index_select(1, columns.target)
    bias = None
    if shift:
        region = _windowed(3 * rows.region[:, None] + columns.region)
        apart = region[:, None, :] != region[:, :, None]
        bias = torch.where(apart, REGION_BIAS, 0.0).to(like.dtype)[:, None]
    return Windows(_windowed(tokens).flatten(), places.flatten(), bias)


class _Axis(NamedTuple):
    """One axis of the rolled, padded grid: which row each of its rows was, its region, and the way back."""

    source: Tensor
    region: Tensor
    target: Tensor


def _along(side: int, shift: int, like: Tensor) -> _Axis:
    padded = (side + WINDOW - 1) // WINDOW * WINDOW
    row, own = (torch.arange(length, device=like.device) for length in (padded, side))
    region = (row >= padded - WINDOW).to(torch.int64) + (row >= padded - SHIFT).to(torch.int64)
    source = torch.where(row + shift < padded, row + shift, row + shift - padded)
    return _Axis(source, region, torch.where(own < shift, own + padded - shift, own - shift))


def _windowed(grid: Tensor) -> Tensor:
    """H x W of multiples of 7 -> windows x 49."""
    height, width = grid.shape
    split = grid.view(height // WINDOW, WINDOW, width // WINDOW, WINDOW)
    return split.transpose(1, 2).reshape(-1, WINDOW * WINDOW)


class WindowAttention(nn.Module):
    """Attention within windows, with a learned bias for each relative position."""

    relative_position_index: Tensor

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.heads, self.scale = heads, (channels // heads) ** -0.5
        side = 2 * WINDOW - 1
        self.relative_position_bias_table = nn.Parameter(torch.zeros(side * side, heads))
        y, x = torch.arange(WINDOW).repeat_interleave(WINDOW), torch.arange(WINDOW).repeat(WINDOW)
        index = (y[:, None] - y + WINDOW - 1) * side + x[:, None] - x + WINDOW - 1
        self.register_buffer("relative_position_index", index, persistent=False)
        self.qkv = nn.Linear(channels, 3 * channels)
        self.proj = nn.Linear(channels, channels)

    def forward(self, x: Tensor, windows: Windows) -> Tensor:
        """B x n x C to the same. Padding is a token of zeros: its key and value are the biases."""
        batch, _, channels = x.shape
        padded = torch.cat((x, x.new_zeros(batch, 1, channels)), dim=1)
        gathered = self.qkv(padded).index_select(1, windows.tokens)
        split = gathered.view(-1, WINDOW * WINDOW, 3, self.heads, channels // self.heads)
        query, key, value = split.permute(2, 0, 3, 1, 4).unbind(0)
        logits = (query * self.scale) @ key.transpose(-2, -1) + self._bias(windows, batch)
        out = (logits.softmax(dim=-1) @ value).transpose(1, 2).reshape(batch, -1, channels)
        return self.proj(out.index_select(1, windows.places))

    def _bias(self, windows: Windows, batch: int) -> Tensor:
        index = self.relative_position_index
        bias = self.relative_position_bias_table.index_select(0, index.flatten())
        bias = bias.view(*index.shape, self.heads).permute(2, 0, 1)
        if windows.bias is None:
            return bias
        bias = bias + windows.bias
        return bias if batch == 1 else bias.repeat(batch, 1, 1, 1)


class Mlp(nn.Module):
    """Two linear layers with GELU, four times as wide between them."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(channels, 4 * channels)
        self.fc2 = nn.Linear(4 * channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(F.gelu(self.fc1(x)))


class Block(nn.Module):
    """Window attention and a feed-forward, each behind its norm and added to the stream."""

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(channels)
        self.attn = WindowAttention(channels, heads)
        self.norm2 = nn.LayerNorm(channels)
        self.mlp = Mlp(channels)

    def forward(self, x: Tensor, windows: Windows) -> Tensor:
        x = x + self.attn(self.norm1(x), windows)
        return x + self.mlp(self.norm2(x))


class PatchMerging(nn.Module):
    """Four neighbours side by side, normalised, to twice the channels at half the sides."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(4 * channels)
        self.reduction = nn.Linear(4 * channels, 2 * channels, bias=False)

    def forward(self, x: Tensor, hw: tuple[int, int]) -> Tensor:
        """B x n x C of a grid with even sides to B x n/4 x 2C; of four, the upper left comes first, then the
        lower left."""
        batch, _, channels = x.shape
        four = x.view(batch, hw[0] // 2, 2, hw[1] // 2, 2, channels).permute(0, 1, 3, 4, 2, 5)
        return self.reduction(self.norm(four.reshape(batch, -1, 4 * channels)))


class Stage(nn.Module):
    """Blocks on one grid, every other one on rolled windows; then the way to a next grid."""

    def __init__(self, channels: int, heads: int, depth: int, *, last: bool) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(Block(channels, heads) for _ in range(depth))
        self.downsample = None if last else PatchMerging(channels)

    def forward(self, x: Tensor, hw: tuple[int, int]) -> tuple[Tensor, Tensor]:
        """B x n x C to what the blocks make of it, and to the next stage's tokens (the last's: the same)."""
        windows = [windows_of(hw, shift, x) for shift in (0, SHIFT)]
        for i, block in enumerate(self.blocks):
            x = block(x, windows[i % 2])
        return x, x if self.downsample is None else self.downsample(x, hw)


class PatchEmbed(nn.Module):
    """4 x 4 pixels to a token."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, channels, 4, stride=4)
        self.norm = nn.LayerNorm(channels)


class SwinB(Encoder):
    """Three stages of Swin-B; outputs at strides 4, 8, 16 and 16 again, each behind a norm of its own.

    For images with sides of 16k, which no patch and no merging has to pad.
    """

    channels = (128, 256, 512, 512)
    first_stage = ("patch_embed.", "layers.0.blocks.")
    heads = (4, 8, 16)
    depths = (2, 2, 18)

    def __init__(self) -> None:
        super().__init__()
        widths = self.channels[:3]
        self.patch_embed = PatchEmbed(widths[0])
        self.layers = nn.ModuleList(
            Stage(width, heads, depth, last=i == len(widths) - 1)
            for i, (width, heads, depth) in enumerate(zip(widths, self.heads, self.depths, strict=True))
        )
        self.norm0, self.norm1, self.norm2 = (nn.LayerNorm(width) for width in widths)

    def forward(self, x: Tensor) -> EncoderMaps:
        patches = self.patch_embed.proj(x)
        hw = (patches.shape[2], patches.shape[3])
        tokens = self.patch_embed.norm(to_tokens(patches))
        maps = []
        for stage, norm in zip(self.layers, (self.norm0, self.norm1, self.norm2), strict=True):
            out, tokens = stage(tokens, hw)
            maps.append(to_map(norm(out), hw))
            hw = (hw[0] // 2, hw[1] // 2)
        return maps[0], maps[1], maps[2], maps[2]


PLUGIN = SwinB
