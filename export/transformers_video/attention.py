"""Attention with rotary positions: the published weights, in an order that computes less."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

QUERIES = 512  # whose scores exist at a time


class FoldedAttention(nn.Module):
    """One of transformers' rotary attentions with one head, without its dropout; the results are its own.

    Values are projected behind the weights' sum, not before it: rows of weights sum to one, so the sum of
    projected values is the projected sum, and memory tokens are a quarter as wide as what they are projected
    to. That projection and the one behind it are one matrix. Keys and queries are projected twice, the second
    time by what turns neighbouring channels into each other, in place of moving channels around. The scores
    of some queries are made, used and dropped before those of the next.

    Args:
        published: A `Sam2VideoRoPEAttention`, or one of EdgeTAM's two, with its weights.
        turns: Cosines and sines of the queries' positions, each n x D.
        key_turns: Those of the keys of one memory frame, each M x D; None: queries are the keys.
        queries: How many at a time.
    """

    value_weight: Tensor
    value_bias: Tensor
    cos: Tensor
    sin: Tensor
    key_cos: Tensor
    key_sin: Tensor

    @torch.no_grad()
    def __init__(
        self,
        published: Any,
        turns: tuple[Tensor, Tensor],
        key_turns: tuple[Tensor, Tensor] | None = None,
        queries: int = QUERIES,
    ) -> None:
        super().__init__()
        self.queries, self.on_memory = queries, key_turns is not None
        self.query = _Turned(published.q_proj, published.scaling)
        self.key = _Turned(published.k_proj)
        first, last = (
            (layer.weight.double(), layer.bias.double()) for layer in (published.v_proj, published.o_proj)
        )
        tables = {
            "value_weight": (last[0] @ first[0]).float(),
            "value_bias": (last[0] @ first[1] + last[1]).float(),
            **dict(zip(("cos", "sin"), turns, strict=True)),
            **dict(zip(("key_cos", "key_sin"), key_turns or turns, strict=True)),
        }
        for name, table in tables.items():
            self.register_buffer(name, table, persistent=False)

    def forward(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        position_embeddings: object = None,
        num_k_exclude_rope: int = 0,
        **_: object,
    ) -> tuple[Tensor, None]:
        """1 x 1 x n x C queries, 1 x 1 x N x Ck keys and values -> 1 x 1 x n x C, and no weights.

        Args:
            query: Tokens of the frame.
            key: Those of memory frames, M each, then `num_k_exclude_rope` without a position.
            value: In the order of `key`.
            position_embeddings: Those of `turns`, which the layer has computed again.
            num_k_exclude_rope: As above.
        """
        keys, values = key.flatten(0, 2), value.flatten(0, 2)
        turns = self.key_cos, self.key_sin
        if self.on_memory:
            turns = self._over(keys.shape[0] - num_k_exclude_rope, num_k_exclude_rope)
        across = self.key(keys, *turns).transpose(0, 1)
        asked = self.query(query.flatten(0, 2), self.cos, self.sin)
        read = [(part @ across).softmax(dim=-1) @ values for part in asked.split(self.queries)]
        found = functional.linear(torch.cat(read), self.value_weight, self.value_bias)
        return found[None, None], None

    def _over(self, placed: int, still: int) -> tuple[Tensor, Tensor]:
        """The turns of a frame's keys once for each frame, then those that leave keys alone."""
        frames, width = placed // self.key_cos.shape[0], self.key_cos.shape[1]
        cos = torch.cat([self.key_cos.repeat(frames, 1), self.key_cos.new_ones(still, width)])
        return cos, torch.cat([self.key_sin.repeat(frames, 1), self.key_sin.new_zeros(still, width)])


class _Turned(nn.Module):
    """Tokens n x C -> n x D: projected, and neighbouring channels turned together by n x D angles.

    Args:
        projection: To D channels.
        factor: Of the result.
    """

    weight: Tensor
    bias: Tensor
    weight_aside: Tensor
    bias_aside: Tensor

    def __init__(self, projection: nn.Linear, factor: float = 1.0) -> None:
        super().__init__()
        weight, bias = projection.weight * factor, projection.bias * factor
        for name, rows in (("weight", weight), ("bias", bias)):
            self.register_buffer(name, rows, persistent=False)
            self.register_buffer(f"{name}_aside", _quarter(rows), persistent=False)

    def forward(self, tokens: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        ahead = functional.linear(tokens, self.weight, self.bias)
        aside = functional.linear(tokens, self.weight_aside, self.bias_aside)
        return ahead * cos + aside * sin


def single_headed(model: Any) -> bool:
    """Whether a `Sam2VideoModel` or `EdgeTamVideoModel` attends with one head, as all published ones do."""
    return int(model.config.memory_attention_num_attention_heads) == 1


@torch.no_grad()
def turns_of(attention: Any, places: Tensor) -> tuple[Tensor, Tensor]:
    """Cosines and sines of the rotary positions at places n x 2 of a memory attention, each n x D."""
    cos, sin = attention.rotary_emb(torch.zeros(1), places)
    return cos.reshape(len(places), -1).clone(), sin.reshape(len(places), -1).clone()


def memory_attention(model: Any, tokens: int) -> Any:
    """A copy of a network's memory attention that computes less; with several heads its own.

    Args:
        model: A `Sam2VideoModel` or `EdgeTamVideoModel`, which stays as it is.
        tokens: Of a memory frame. A perceiver's first ones, of the whole frame, have no position.
    """
    published = model.memory_attention
    if not single_headed(model):
        return published
    turns = turns_of(published, published.position_ids)
    cos, sin = turns_of(published, getattr(published, "position_ids_k", published.position_ids))
    whole = (0, 0, tokens - len(cos), 0)
    key_turns = functional.pad(cos, whole, value=1.0), functional.pad(sin, whole)
    folded = deepcopy(published)
    for layer in folded.layers:
        layer.self_attn = FoldedAttention(layer.self_attn, turns)
        layer.cross_attn_image = FoldedAttention(layer.cross_attn_image, turns, key_turns)
    return folded


def _quarter(rows: Tensor) -> Tensor:
    """Rows (a, b, c, d, ...) turned by a quarter in pairs: (-b, a, -d, c, ...)."""
    pairs = rows.unflatten(0, (-1, 2))
    return torch.stack([-pairs[:, 1], pairs[:, 0]], dim=1).flatten(0, 1)
