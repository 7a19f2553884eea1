"""Memory: how a frame reads what an object left behind, and what it leaves behind itself."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from ermu.export.transformers_video.attention import memory_attention

_WAVELENGTH = 10_000  # the slowest of a sine encoding


class Recall(nn.Module):
    """f16 and an object's memory -> f16 conditioned on it, C x h x w.

    Reads f16, `memory` T x M x Cm, `memory_rows` T x Cm (the temporal row of each), `pointers` P x C and
    `pointer_ages` P, in frames. A pointer is cut into C / Cm tokens, which rotary positions leave alone.

    Args:
        model: A `Sam2VideoModel`, or an `EdgeTamVideoModel`, whose attention wants to know T.
    """

    positions: Tensor
    memory_positions: Tensor

    def __init__(self, model: Any) -> None:
        super().__init__()
        config = model.config
        self.width, self.entry_width = model.hidden_dim, model.mem_dim
        self.oldest = float(config.max_object_pointers_in_encoder - 1)
        self.project_age = (
            model.temporal_positional_encoding_projection_layer
            if config.enable_temporal_pos_encoding_for_object_pointers
            else None
        )
        grid = model.prompt_encoder.image_embedding_size
        frame = _spatial(model.vision_encoder.neck.position_encoding, self.width, grid)
        self.register_buffer("positions", frame[:, None], persistent=False)
        self.perceived = hasattr(model, "spatial_perceiver")
        self.register_buffer("memory_positions", entry_positions(model), persistent=False)
        self.attention = memory_attention(model, len(self.memory_positions))

    def forward(
        self, f16: Tensor, memory: Tensor, memory_rows: Tensor, pointers: Tensor, pointer_ages: Tensor
    ) -> Tensor:
        pieces = pointers.reshape(-1, self.entry_width)
        keys = torch.cat([memory.flatten(0, 1), pieces])
        placed = (self.memory_positions + memory_rows[:, None]).flatten(0, 1)
        positions = torch.cat([placed, self._ages(pointer_ages, pieces)])
        tokens = f16.flatten(1).transpose(0, 1)[:, None]
        counts = (pieces.shape[0], memory.shape[0]) if self.perceived else (pieces.shape[0],)
        found = self.attention(tokens, keys[:, None], self.positions, positions[:, None], *counts)
        conditioned: Tensor = found.reshape(-1, self.width).transpose(0, 1).reshape(f16.shape)
        return conditioned

    def _ages(self, ages: Tensor, pieces: Tensor) -> Tensor:
        """What the age of a pointer adds to each of its pieces."""
        if self.project_age is None:
            return torch.zeros_like(pieces)
        rows = self.project_age(sine_encoding(ages / self.oldest, self.width))
        return rows[:, None].expand(-1, self.width // self.entry_width, -1).flatten(0, 1)


class Memorize(nn.Module):
    """f16, logits h4 x w4 and presence -> the frame's entry, M x Cm.

    Args:
        model: A `Sam2VideoModel`, or an `EdgeTamVideoModel`, whose perceiver makes fewer tokens of a frame.
    """

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.encoder = model.memory_encoder
        self.scale = float(model.config.sigmoid_scale_for_mem_enc)
        self.bias = float(model.config.sigmoid_bias_for_mem_enc)
        self.occluded = model.occlusion_spatial_embedding_parameter
        self.side = int(model.image_size)
        self.perceiver = getattr(model, "spatial_perceiver", None)

    def forward(self, f16: Tensor, logits: Tensor, presence: Tensor) -> Tensor:
        full = functional.interpolate(
            logits[None, None], size=(self.side, self.side), mode="bilinear", align_corners=False
        )
        return self.entry(f16, torch.sigmoid(full[0, 0]), presence)

    def entry(self, f16: Tensor, mask: Tensor, presence: Tensor) -> Tensor:
        """The entry of a mask H x W between 0 and 1."""
        maps, positions = self.encoder(f16[None], (mask * self.scale + self.bias)[None, None])
        features = maps[0]
        if self.occluded is not None:
            absent = 1 - (presence > 0).to(features.dtype)
            features = features + absent * self.occluded.reshape(-1, 1, 1)
        if self.perceiver is not None:
            perceived: Tensor = self.perceiver(features[None], positions)[0][0]
            return perceived
        rounded = features.to(torch.bfloat16).to(features.dtype)  # as published, which halves what is kept
        return rounded.flatten(1).transpose(0, 1)


class MemorizePrompt(Memorize):
    """f16, a mask H x W of 0 and 1 and presence -> the entry of a frame that a user has labelled, M x Cm."""

    def forward(self, f16: Tensor, mask: Tensor, presence: Tensor) -> Tensor:
        return self.entry(f16, (mask > 0).to(f16.dtype), presence)


def sine_encoding(values: Tensor, width: int) -> Tensor:
    """Sines, then cosines of N values at falling frequencies: N x width ("Attention is all you need", 3.5).

    Pairs of neighbouring columns share a frequency, within the sines as within the cosines.
    """
    half = width // 2
    exponents = 2 * (torch.arange(half, dtype=torch.float32, device=values.device) // 2) / half
    angles = values[:, None] / _WAVELENGTH**exponents
    return torch.cat([angles.sin(), angles.cos()], dim=-1)


@torch.no_grad()
def entry_positions(model: Any) -> Tensor:
    """The spatial positions of an entry's tokens, M x Cm; a model's own constants."""
    grid = model.prompt_encoder.image_embedding_size
    positions = _spatial(model.memory_encoder.position_encoding, model.mem_dim, grid)
    if not hasattr(model, "spatial_perceiver"):
        return positions
    blank = torch.zeros(1, model.mem_dim, *grid)
    placed: Tensor = model.spatial_perceiver(blank, positions.transpose(0, 1).reshape(blank.shape))[1]
    return placed[0].clone()


@torch.no_grad()
def _spatial(encoding: Any, channels: int, grid: tuple[int, int]) -> Tensor:
    """The positions of a grid's tokens, n x channels."""
    places: Tensor = encoding(torch.Size((1, channels, *grid)), torch.device("cpu"), torch.float32)
    return places[0].flatten(1).transpose(0, 1).clone()
