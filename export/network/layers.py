"""Small layers that both network families share."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class FrozenBatchNorm2d(nn.Module):
    """Batch norm with fixed statistics (eps 1e-5): a per-channel scale and shift."""

    weight: Tensor
    bias: Tensor
    running_mean: Tensor
    running_var: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.register_buffer("weight", torch.ones(channels))
        self.register_buffer("bias", torch.zeros(channels))
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_var", torch.ones(channels))

    def forward(self, x: Tensor) -> Tensor:
        return F.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias, eps=1e-5)


def to_tokens(x: Tensor) -> Tensor:
    """B x C x h x w -> B x n x C."""
    return x.flatten(2).transpose(1, 2)


def to_map(x: Tensor, hw: tuple[int, int]) -> Tensor:
    """B x n x C -> B x C x h x w."""
    return x.transpose(1, 2).reshape(x.shape[0], -1, *hw)


def for_groups(x: Tensor, like: Tensor) -> Tensor:
    """1 x ... -> G x ...: what has been computed once, for each of the groups that `like` is of."""
    return x.expand(like.shape[0], *x.shape[1:])


def attend(query: Tensor, key: Tensor, value: Tensor, heads: int) -> Tensor:
    """Multi-head attention with scale 1 / sqrt(head dim).

    Args:
        query: B x n x D.
        key: B x m x D.
        value: B x m x Cv.

    Returns:
        B x n x Cv, heads side by side.
    """
    split = [t.unflatten(-1, (heads, -1)).transpose(1, 2) for t in (query, key, value)]
    return F.scaled_dot_product_attention(*split).transpose(1, 2).flatten(2)


def moved(x: Tensor, by: Tensor | None) -> Tensor:
    """x + by, where a network has that embedding."""
    return x if by is None else x + by


def attend_memory(query: Tensor, keys: Tensor, values: Tensor, rows: Tensor | None, heads: int) -> Tensor:
    """Attention over every token of every memory frame, each frame's keys moved by its temporal row.

    Args:
        query: B x n x D, with `cur` added.
        keys: B x T x n x D.
        values: B x T x n x Cv.
        rows: T x D, or B x T x D, or None.
    """
    placed = moved(keys, None if rows is None else rows[..., None, :]).flatten(1, 2)
    return attend(query, placed, values.flatten(1, 2), heads)


def sine_position(hw: tuple[int, int], width: int, like: Tensor) -> Tensor:
    """Sine position embedding, n x width: first half of the features for y, second for x."""
    half = width // 2
    feature = torch.arange(half, dtype=torch.float32, device=like.device)
    period = 10000 ** (2 * torch.div(feature, 2, rounding_mode="floor") / half)

    def encode(length: int) -> Tensor:
        index = torch.arange(length, dtype=torch.float32, device=like.device)
        angle = (index / (length - 1 + 1e-6) * (2 * math.pi))[:, None] / period
        return torch.stack((angle[:, 0::2].sin(), angle[:, 1::2].cos()), dim=2).flatten(1)

    h, w = hw
    y, x = encode(h), encode(w)
    grid = torch.cat((y[:, None].expand(h, w, half), x[None].expand(h, w, half)), dim=-1)
    return grid.flatten(0, 1).to(like.dtype)


class DepthwiseConv(nn.Module):
    """5 x 5 depthwise convolution without bias, on tokens."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 5, padding=2, groups=channels, bias=False)

    def forward(self, x: Tensor, hw: tuple[int, int]) -> Tensor:
        return to_tokens(self.conv(to_map(x, hw)))


class GeluDepthwise(nn.Module):
    """AOT's feed-forward activation: GroupNorm(32) -> GELU -> 5 x 5 depthwise convolution, on tokens."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gn = nn.GroupNorm(32, channels)
        self.conv = nn.Conv2d(channels, channels, 5, padding=2, groups=channels, bias=False)

    def forward(self, x: Tensor, hw: tuple[int, int]) -> Tensor:
        return to_tokens(self.conv(F.gelu(self.gn(to_map(x, hw)))))
