"""The AOT block of the zoo: short-term attention in a window, with relative positions."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from ermu.export.families.aot.block import MemoryAttention, PropagationBlock, SelfAttention
from ermu.export.network.layers import GeluDepthwise, moved
from ermu.export.network.memory import KeyValue
from ermu.export.network.spec import NetworkSpec
from ermu.export.network.window import WINDOW, collect, spread


class AotLocalCarry(NamedTuple):
    """What a block keeps of a propagated frame until its label is known; each B x n x C.

    Attributes:
        key: Final already.
        value: norm2's output; with the identity added and projected it becomes the memory's value.
    """

    key: Tensor
    value: Tensor


class LocalAttention(nn.Module):
    """Multi-head attention in a 15 x 15 window (`docs/spec/zoo.md`, 'AOT short-term attention')."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.relative_emb_k = nn.Conv2d(width, heads * WINDOW, 1, groups=heads)
        self.relative_emb_v = nn.Parameter(torch.zeros(heads, width // heads, WINDOW))
        self.projection = nn.Linear(width, width)

    def forward(self, query: Tensor, key: Tensor, value: Tensor, hw: tuple[int, int]) -> Tensor:
        """Tokens B x n x C, each attending to the window around it."""
        Q, K, V = (t.unflatten(-1, (self.heads, -1)).transpose(1, 2) for t in (query, key, value))
        logits = Q @ K.transpose(2, 3) / Q.shape[-1] ** 0.5 + spread(self.relative_bias(Q), hw)
        weights = logits.softmax(-1)
        readout = weights @ V + collect(weights, hw) @ self.relative_emb_v.transpose(1, 2)
        return self.projection(readout.transpose(1, 2).flatten(2))

    def relative_bias(self, query: Tensor) -> Tensor:
        """B x heads x n x 225 of a query B x heads x n x d, which is not scaled here."""
        weight = self.relative_emb_k.weight.view(self.heads, WINDOW, -1)
        assert self.relative_emb_k.bias is not None
        return query @ weight.transpose(1, 2) + self.relative_emb_k.bias.view(self.heads, 1, WINDOW)


class AotLocalBlock(PropagationBlock):
    """One block (`docs/spec/zoo.md`); a frame's memory is the same for the bank and for the next frame."""

    def __init__(self, spec: NetworkSpec, index: int) -> None:
        super().__init__()
        width = spec.width
        self.heads = spec.heads
        self.norm1 = nn.LayerNorm(width)
        self.self_attn = SelfAttention(width, spec.heads)
        self.norm2 = nn.LayerNorm(width)
        self.linear_Q = nn.Linear(width, width)
        self.linear_V = nn.Linear(width, width)
        self.long_term_attn = MemoryAttention(width)
        self.short_term_attn = LocalAttention(width, spec.heads)
        self.norm3 = nn.LayerNorm(width)
        self.linear1 = nn.Linear(width, spec.feedforward)
        self.activation = GeluDepthwise(spec.feedforward)
        self.linear2 = nn.Linear(spec.feedforward, width)

    def prepare_query(
        self,
        x: Tensor,
        key: Tensor,
        value: Tensor,
        hw: tuple[int, int],
        cur: Tensor | None,
        short: KeyValue,
    ) -> tuple[Tensor, Tensor, AotLocalCarry]:
        """See `PropagationBlock.prepare_query`."""
        return x + self.short_term_attn(key, *short, hw), moved(key, cur), AotLocalCarry(key, value)

    def memorize(self, carry: AotLocalCarry, identity: Tensor) -> tuple[KeyValue, KeyValue]:
        """See `PropagationBlock.memorize`."""
        entry = (carry.key, self.linear_V(carry.value + identity))
        return entry, entry
