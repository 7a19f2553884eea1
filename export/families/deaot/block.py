"""The DeAOT block: gated propagation of a visual branch and an identity branch."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ermu.export.network.layers import DepthwiseConv, attend, attend_memory, for_groups, moved
from ermu.export.network.memory import KeyValue
from ermu.export.network.spec import NetworkSpec
from ermu.export.network.window import WINDOW, spread


class DeaotCarry(NamedTuple):
    """What a DeAOT block keeps of a propagated frame until its label is known.

    Attributes:
        key: B x n x D, final already.
        value: B x n x G, the visual half of the memory value, final already.
        context: B x n x C, id_norm1(y), which joins the identity in the other half; None in block 0.
    """

    key: Tensor
    value: Tensor
    context: Tensor | None = None


class GatedOutput(nn.Module):
    """What follows every attention of DeAOT: gate, 5x5 depthwise convolution, projection to both branches."""

    def __init__(self, gate: int, width: int) -> None:
        super().__init__()
        self.dw_conv = DepthwiseConv(2 * gate)
        self.projection = nn.Linear(2 * gate, 2 * width)

    def gated(self, attended: Tensor, gate: Tensor, hw: tuple[int, int]) -> tuple[Tensor, Tensor]:
        visual, identity = self.projection(self.dw_conv(attended * gate, hw)).chunk(2, dim=-1)
        return visual, identity


class LocalGatedOutput(GatedOutput):
    """The short-term attention: a 15 x 15 window with a learned bias for each relative position."""

    def __init__(self, gate: int, width: int, key_width: int) -> None:
        super().__init__(gate, width)
        self.relative_emb_k = nn.Conv2d(key_width, WINDOW, 1)

    def relative_bias(self, query: Tensor) -> Tensor:
        """B x n x 225: the bias of each position of each query's window; a 1 x 1 convolution, on tokens."""
        return F.linear(query, self.relative_emb_k.weight.flatten(1), self.relative_emb_k.bias)

    def attend(self, query: Tensor, key: Tensor, value: Tensor, bias: Tensor, hw: tuple[int, int]) -> Tensor:
        """Attention in the window; `bias` is `relative_bias`'s."""
        logits = query @ key.transpose(1, 2) / query.shape[-1] ** 0.5 + spread(bias, hw)
        return logits.softmax(-1) @ value


class GatedSelfAttention(GatedOutput):
    """Self-attention over both branches at once."""

    def __init__(self, gate: int, width: int, key_width: int) -> None:
        super().__init__(gate, width)
        self.linear_QK = nn.Linear(2 * width, key_width)
        self.linear_V1 = nn.Linear(width, gate)
        self.linear_V2 = nn.Linear(width, gate)
        self.linear_U1 = nn.Linear(width, gate)
        self.linear_U2 = nn.Linear(width, gate)

    def forward(self, visual: Tensor, identity: Tensor, hw: tuple[int, int]) -> tuple[Tensor, Tensor]:
        key = self.linear_QK(torch.cat((visual, identity), dim=-1))
        value = F.silu(torch.cat((self.linear_V1(visual), self.linear_V2(identity)), dim=-1))
        gate = F.silu(torch.cat((self.linear_U1(visual), self.linear_U2(identity)), dim=-1))
        return self.gated(attend(key, key, value, heads=1), gate, hw)


class DeaotBlock(nn.Module):
    """One DeAOT block (`docs/spec/network.md`, 'DeAOT block'); x and y are B x n x C."""

    def __init__(self, spec: NetworkSpec, index: int) -> None:
        super().__init__()
        width, gate = spec.width, spec.feedforward
        self.first = index == 0
        self.split = (spec.key_width, gate)
        self.norm1 = nn.LayerNorm(width)
        self.linear_QV = nn.Linear(width, spec.key_width + gate)
        self.linear_U = nn.Linear(width, gate)
        if self.first:
            self.linear_ID_V = nn.Linear(width, gate)
        else:
            self.id_norm1 = nn.LayerNorm(width)
            self.linear_ID_V = nn.Linear(2 * width, gate)
            self.linear_ID_U = nn.Linear(width, gate)
        self.long_term_attn = GatedOutput(gate, width)
        self.short_term_attn = LocalGatedOutput(gate, width, spec.key_width)
        self.norm2 = nn.LayerNorm(width)
        self.id_norm2 = nn.LayerNorm(width)
        self.self_attn = GatedSelfAttention(gate, width, spec.key_width)

    def forward(
        self,
        x: Tensor,
        y: Tensor,
        hw: tuple[int, int],
        cur: Tensor | None,
        long: KeyValue,
        rows: Tensor | None,
        short: KeyValue,
    ) -> tuple[Tensor, Tensor, DeaotCarry]:
        """Propagates a frame whose label is not known.

        Args:
            x: Visual tokens; block 0's may be those of one frame for all groups.
            y: Identity tokens, zero before block 0.
            hw: Token grid.
            cur: 1 x D, added to the long-term query.
            long: Keys B x T x n x D and values B x T x n x 2G.
            rows: T x D, temporal row of each memory frame.
            short: Key B x n x D and value B x n x 2G of the previous frame.
        """
        x, y, carry, gate = self._projected(x, y, short[0])
        query, bias = self.prepare_query(carry.key, cur)
        memory = attend_memory(query, *long, rows, heads=1)
        local = self.short_term_attn.attend(carry.key, *short, bias, hw)
        return *self.finish(x, y, gate, memory, local, hw), carry

    def project(self, x: Tensor, y: Tensor) -> tuple[DeaotCarry, Tensor]:
        """Everything before the attention on the memories: the carry and the gate."""
        a = self.norm1(x)
        key, value = self.linear_QV(a).split(self.split, dim=-1)
        u = self.linear_U(a)
        if self.first:
            return DeaotCarry(key, F.silu(value), None), torch.cat((F.silu(u), torch.ones_like(u)), dim=-1)
        context = self.id_norm1(y)
        return DeaotCarry(key, F.silu(value), context), F.silu(
            torch.cat((u, self.linear_ID_U(context)), dim=-1)
        )

    def _projected(self, x: Tensor, y: Tensor, like: Tensor) -> tuple[Tensor, Tensor, DeaotCarry, Tensor]:
        """See `project`; block 0's, computed once, for each of the groups that `like` is of; and x and y."""
        carry, gate = self.project(x, y)
        if self.first:
            x, y, key, value, gate = (for_groups(t, like) for t in (x, y, carry.key, carry.value, gate))
            carry = DeaotCarry(key, value)
        return x, y, carry, gate

    def prepare_query(self, key: Tensor, cur: Tensor | None) -> tuple[Tensor, Tensor]:
        """The query that reads the bank, and the local bias B x n x 225; the local query is `key` itself."""
        return moved(key, cur), self.short_term_attn.relative_bias(key)

    def finish(
        self,
        x: Tensor,
        y: Tensor,
        gate: Tensor,
        memory_readout: Tensor,
        local_readout: Tensor,
        hw: tuple[int, int],
    ) -> tuple[Tensor, Tensor]:
        """Everything after it: the readouts are what the memories returned, B x n x 2G."""
        memory_x, memory_y = self.long_term_attn.gated(memory_readout, gate, hw)
        local_x, local_y = self.short_term_attn.gated(local_readout, gate, hw)
        x, y = x + memory_x + local_x, y + memory_y + local_y
        visual, identity = self.self_attn(self.norm2(x), self.id_norm2(y), hw)
        return x + visual, y + identity

    def reference(
        self,
        x: Tensor,
        y: Tensor,
        hw: tuple[int, int],
        cur: Tensor | None,
        row: Tensor | None,
        identity: Tensor,
    ) -> tuple[Tensor, Tensor, KeyValue]:
        """Propagates a labelled frame, which is its own long and short memory; returns that memory."""
        x, y, carry, gate = self._projected(x, y, identity)
        own = self.memorize(carry, identity)
        query, bias = self.prepare_query(carry.key, cur)
        memory = attend_memory(query, own[0][:, None], own[1][:, None], row, heads=1)
        local = self.short_term_attn.attend(carry.key, *own, bias, hw)
        return *self.finish(x, y, gate, memory, local, hw), own

    def memorize(self, carry: DeaotCarry, identity: Tensor) -> KeyValue:
        """Memory of a frame, for the bank and for the next frame alike, once its label is known."""
        context = identity if carry.context is None else torch.cat((carry.context, identity), dim=-1)
        return carry.key, torch.cat((carry.value, F.silu(self.linear_ID_V(context))), dim=-1)
