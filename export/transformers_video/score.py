"""What the first attention on memory frames compares, for policies that ask how much each frame gets."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from ermu.export.transformers_video.attention import turns_of
from ermu.export.transformers_video.memory import Recall


class Score(nn.Module):
    """f16, `memory` and `memory_rows` as of `Recall` -> queries Q x M x D and keys T x M x D.

    They are those of the first layer's cross attention, projected and rotated. Queries come M at a time, as
    many as a frame has tokens; behind the last of h x w there are zeros.

    Args:
        model: A `Sam2VideoModel` or `EdgeTamVideoModel` that attends with one head.

    Attributes:
        queries_shape: Q, M, D.
    """

    memory_positions: Tensor
    positions: Tensor
    cos: Tensor
    sin: Tensor
    key_cos: Tensor
    key_sin: Tensor

    def __init__(self, model: Any) -> None:
        super().__init__()
        recall, attention = Recall(model), model.memory_attention
        self.layer = attention.layers[0]
        self.register_buffer("positions", recall.positions[:, 0], persistent=False)
        self.register_buffer("memory_positions", recall.memory_positions, persistent=False)
        turned = turns_of(attention, attention.position_ids)
        keys = getattr(attention, "position_ids_k", attention.position_ids)
        for name, table in zip(("cos", "sin"), turned, strict=True):
            self.register_buffer(name, table, persistent=False)
        for name, table in zip(("key_cos", "key_sin"), turns_of(attention, keys), strict=True):
            self.register_buffer(name, table, persistent=False)
        tokens, width = len(self.memory_positions), self.layer.cross_attn_image.internal_dim
        self.queries_shape = -(-len(self.positions) // tokens), tokens, width

    def forward(self, f16: Tensor, memory: Tensor, memory_rows: Tensor) -> tuple[Tensor, Tensor]:
        attention = self.layer.cross_attn_image
        queries = attention.q_proj(self.layer.layer_norm2(self._attended(f16)))
        queries = _rotated(queries, self.cos, self.sin)
        filled = functional.pad(
            queries, (0, 0, 0, self.queries_shape[0] * self.queries_shape[1] - len(queries))
        )
        keys = attention.k_proj(memory + self.memory_positions + memory_rows[:, None])
        still = keys.shape[1] - len(self.key_cos)  # a perceiver's tokens of the whole frame have no place
        keys = torch.cat([keys[:, :still], _rotated(keys[:, still:], self.key_cos, self.key_sin)], dim=1)
        return filled.reshape(self.queries_shape), keys

    def _attended(self, f16: Tensor) -> Tensor:
        """The frame's tokens after the layer's attention on themselves, n x C."""
        tokens = f16.flatten(1).transpose(0, 1) + 0.1 * self.positions  # as published
        normed = self.layer.layer_norm1(tokens)[None, None]
        places = (self.cos, self.sin)
        found, _ = self.layer.self_attn(query=normed, key=normed, value=normed, position_embeddings=places)
        attended: Tensor = tokens + found[0, 0]
        return attended


def _rotated(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotary positions: neighbouring channels of ... x n x D are turned together by n x D angles."""
    pairs = x.unflatten(-1, (-1, 2))
    across = torch.stack([-pairs[..., 1], pairs[..., 0]], dim=-1).flatten(-2)
    return x * cos + across * sin
