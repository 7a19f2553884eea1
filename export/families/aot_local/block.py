"""The AOT block of the zoo: short-term attention in a window, with relative positions."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from ermu.export.families.aot.block import MemoryAttention, PropagationBlock
from ermu.export.network.layers import moved
from ermu.export.network.memory import KeyValue
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
        Q, K, V = (self._heads(t) for t in (query, key, value))
        logits = Q @ K.transpose(2, 3) / Q.shape[-1] ** 0.5 + spread(self.relative_bias(query), hw)
        weights = logits.softmax(-1)
        readout = weights @ V + collect(weights, hw) @ self.relative_values()
        return self.projection(readout.transpose(1, 2).flatten(2))

    def relative_bias(self, query: Tensor) -> Tensor:
        """B x heads x n x 225 of a query B x n x C, which is not scaled here."""
        weight = self.relative_emb_k.weight.view(self.heads, WINDOW, -1)
        assert self.relative_emb_k.bias is not None
        bias = self.relative_emb_k.bias.view(self.heads, 1, WINDOW)
        return self._heads(query) @ weight.transpose(1, 2) + bias

    def relative_values(self) -> Tensor:
        """heads x 225 x d: what a value gains by its place in the window."""
        return self.relative_emb_v.transpose(1, 2)

    def _heads(self, x: Tensor) -> Tensor:
        """B x n x C -> B x heads x n x d."""
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)


class AotLocalBlock(PropagationBlock):
    """One block (`docs/spec/zoo.md`); a frame's memory is the same for the bank and for the next frame."""

    def make_attentions(self, width: int) -> None:
        """See `PropagationBlock.make_attentions`."""
        self.long_term_attn = MemoryAttention(width)
        self.short_term_attn = LocalAttention(width, self.heads)

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

    def ask(self, key: Tensor, cur: Tensor | None) -> tuple[Tensor, Tensor]:
        """The query that reads the bank, and local biases B x heads x n x 225; the local query is `key`."""
        return moved(key, cur), self.short_term_attn.relative_bias(key)

    def add_local(self, x: Tensor, local_readout: Tensor) -> Tensor:
        """The tokens with what attention in the window returned, B x n x C."""
        return x + self.short_term_attn.projection(local_readout)

    def memorize(self, carry: AotLocalCarry, identity: Tensor) -> tuple[KeyValue, KeyValue]:
        """See `PropagationBlock.memorize`."""
        entry = (carry.key, self.linear_V(carry.value + identity))
        return entry, entry
