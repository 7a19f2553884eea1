"""The AOT block: self-attention, long- and short-term attention on memories, feed-forward."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, NamedTuple

from torch import Tensor, nn

from ermu.export.network.layers import GeluDepthwise, attend, attend_memory, for_groups, moved
from ermu.export.network.memory import KeyValue
from ermu.export.network.spec import NetworkSpec


class AotCarry(NamedTuple):
    """What an AOT block keeps of a propagated frame until its label is known; each B x n x C.

    Attributes:
        key: The bank's key, final already.
        value: norm2's output; with the identity added and projected it becomes the bank's value.
        previous_key: The key for the next frame, final already.
        local: The local readout; with the identity it becomes the value for the next frame.
    """

    key: Tensor
    value: Tensor
    previous_key: Tensor
    local: Tensor


class SelfAttention(nn.Module):
    """Multi-head attention of tokens on themselves, position added to query and key."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.linear_Q = nn.Linear(width, width)
        self.linear_K = nn.Linear(width, width)
        self.linear_V = nn.Linear(width, width)
        self.projection = nn.Linear(width, width)

    def forward(self, x: Tensor, position: Tensor) -> Tensor:
        placed = x + position
        out = attend(self.linear_Q(placed), self.linear_K(placed), self.linear_V(x), self.heads)
        return self.projection(out)


class MemoryAttention(nn.Module):
    """Holds the projection that follows an attention on a memory; the attention itself has no weights."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.projection = nn.Linear(width, width)


class PropagationBlock(nn.Module, ABC):
    """What AOT's blocks share: all but the short-term attention and what is remembered for it.

    Tokens are B x n x C. Modules are made in the checkpoints' order.
    """

    long_term_attn: MemoryAttention

    def __init__(self, spec: NetworkSpec, index: int) -> None:
        super().__init__()
        width = spec.width
        self.first = index == 0
        self.heads = spec.heads
        self.norm1 = nn.LayerNorm(width)
        self.self_attn = SelfAttention(width, spec.heads)
        self.norm2 = nn.LayerNorm(width)
        self.linear_Q = nn.Linear(width, width)
        self.linear_V = nn.Linear(width, width)
        self.make_attentions(width)
        self.norm3 = nn.LayerNorm(width)
        self.linear1 = nn.Linear(width, spec.feedforward)
        self.activation = GeluDepthwise(spec.feedforward)
        self.linear2 = nn.Linear(spec.feedforward, width)

    @abstractmethod
    def make_attentions(self, width: int) -> None:
        """Makes the modules that attend to the memories: `long_term_attn`, and the subclass's own."""

    @abstractmethod
    def prepare_query(
        self,
        x: Tensor,
        key: Tensor,
        value: Tensor,
        hw: tuple[int, int],
        cur: Tensor | None,
        short: KeyValue,
    ) -> tuple[Tensor, Tensor, Any]:
        """From `project` to the attention on the bank: tokens, the query that reads the bank, the carry."""

    @abstractmethod
    def memorize(self, carry: Any, identity: Tensor) -> tuple[KeyValue, KeyValue]:
        """Long and short memory of a frame, once its label is known."""

    def forward(
        self,
        x: Tensor,
        position: Tensor,
        hw: tuple[int, int],
        cur: Tensor | None,
        long: KeyValue,
        rows: Tensor | None,
        short: KeyValue,
    ) -> tuple[Tensor, Any]:
        """Propagates a frame whose label is not known.

        Args:
            x: Tokens; block 0's may be those of one frame for all groups.
            position: n x C.
            hw: Token grid.
            cur: 1 x C, added to the long-term query.
            long: Keys and values, B x T x n x C.
            rows: T x C, temporal row of each memory frame.
            short: Key and value of the previous frame, B x n x C.
        """
        x, key, value = self._projected(x, position, short[0])
        x, query, carry = self.prepare_query(x, key, value, hw, cur, short)
        return self.finish(x, attend_memory(query, *long, rows, self.heads), hw), carry

    def project(self, x: Tensor, position: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Everything before the memories: tokens, key and value. In block 0 no group has a say in it."""
        x = x + self.self_attn(self.norm1(x), position)
        value = self.norm2(x)
        return x, self.linear_Q(value), value

    def finish(self, x: Tensor, memory_readout: Tensor, hw: tuple[int, int]) -> Tensor:
        """Everything after it: `memory_readout` is what the attention on the bank returned, B x n x C."""
        x = x + self.long_term_attn.projection(memory_readout)
        return x + self.linear2(self.activation(self.linear1(self.norm3(x)), hw))

    def reference(
        self,
        x: Tensor,
        position: Tensor,
        hw: tuple[int, int],
        cur: Tensor | None,
        row: Tensor | None,
        identity: Tensor,
    ) -> tuple[Tensor, tuple[KeyValue, KeyValue]]:
        """Propagates a labelled frame, which is its own long and short memory; returns its memory."""
        x, key, value = self._projected(x, position, identity)
        own = (key, self.linear_V(value + identity))
        x, query, carry = self.prepare_query(x, key, value, hw, cur, own)
        readout = attend_memory(query, own[0][:, None], own[1][:, None], row, self.heads)
        return self.finish(x, readout, hw), self.memorize(carry, identity)

    def _projected(self, x: Tensor, position: Tensor, like: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """See `project`; block 0's, computed once, for each of the groups that `like` is of."""
        x, key, value = self.project(x, position)
        if not self.first:
            return x, key, value
        return for_groups(x, like), for_groups(key, like), for_groups(value, like)


class AotBlock(PropagationBlock):
    """One AOT block (`docs/spec/network.md`, 'AOT block'); tokens are B x n x C."""

    def make_attentions(self, width: int) -> None:
        """See `PropagationBlock.make_attentions`."""
        self.linear_QMem = nn.Linear(width, width)
        self.linear_VMem = nn.Linear(width, width)
        self.norm4 = nn.LayerNorm(width)
        self.linear_KMem = nn.Linear(width, width)  # in every checkpoint, read by nobody
        self.long_term_attn = MemoryAttention(width)
        self.short_term_attn = MemoryAttention(width)

    def prepare_query(
        self,
        x: Tensor,
        key: Tensor,
        value: Tensor,
        hw: tuple[int, int],
        cur: Tensor | None,
        short: KeyValue,
    ) -> tuple[Tensor, Tensor, AotCarry]:
        """See `PropagationBlock.prepare_query`."""
        local = self._local_readout(key, value, short)
        return x + local, moved(key, cur), AotCarry(key, value, self.linear_QMem(local), local)

    def memorize(self, carry: AotCarry, identity: Tensor) -> tuple[KeyValue, KeyValue]:
        """See `PropagationBlock.memorize`."""
        long = (carry.key, self.linear_V(carry.value + identity))
        return long, (carry.previous_key, self.linear_VMem(carry.local + identity))

    def _local_readout(self, key: Tensor, value: Tensor, short: KeyValue) -> Tensor:
        recent_key, recent_value = self.norm4(short[0] + key), self.norm4(short[1] + value)
        return self.short_term_attn.projection(attend(key, recent_key, recent_value, self.heads))
