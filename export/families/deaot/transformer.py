"""DeAOT's stack of blocks, and the norm between the last and the decoder."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

from ermu.export.families.deaot.block import DeaotBlock, DeaotCarry
from ermu.export.network.layers import to_map, to_tokens
from ermu.export.network.memory import KeyValue, MemoryEntry
from ermu.export.network.spec import NetworkSpec
from ermu.export.network.transformer import Transformer


class BranchNorm(nn.Module):
    """GroupNorm over both branches, one group each."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gn = nn.GroupNorm(2, channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.gn(x)


class DeaotTransformer(Transformer):
    """The decoder sees only the last block's two branches."""

    def __init__(self, spec: NetworkSpec) -> None:
        super().__init__()
        self.output_channels = 2 * spec.width
        self.layers = nn.ModuleList(DeaotBlock(spec, i) for i in range(spec.blocks))
        self.decoder_norms = nn.ModuleList([BranchNorm(2 * spec.width)])

    @property
    def blocks(self) -> list[DeaotBlock]:
        """In order."""
        return cast("list[DeaotBlock]", list(self.layers))

    def forward(
        self, p: Tensor, cur: Tensor | None, long: list[KeyValue], rows: Tensor | None, short: list[KeyValue]
    ) -> tuple[Tensor, list[DeaotCarry]]:
        """See `Transformer.forward`."""
        hw = (p.shape[-2], p.shape[-1])
        x, y, carries = to_tokens(p), torch.zeros_like(to_tokens(p)), []
        for block, bank, previous in zip(self.blocks, long, short, strict=True):
            x, y, carry = block(x, y, hw, cur, bank, rows, previous)
            carries.append(carry)
        return self.output(x, y, hw), carries

    def reference(
        self, p: Tensor, cur: Tensor | None, row: Tensor | None, identity: Tensor
    ) -> tuple[Tensor, MemoryEntry]:
        """See `Transformer.reference`."""
        hw = (p.shape[-2], p.shape[-1])
        x, y, memory = to_tokens(p), torch.zeros_like(to_tokens(p)), []
        for block in self.blocks:
            x, y, own = block.reference(x, y, hw, cur, row, identity)
            memory.append(own)
        return self.output(x, y, hw), MemoryEntry(memory, memory)

    def memorize(self, carries: list[DeaotCarry], identity: Tensor) -> MemoryEntry:
        """See `Transformer.memorize`."""
        memory = [block.memorize(carry, identity) for block, carry in zip(self.blocks, carries, strict=True)]
        return MemoryEntry(memory, memory)

    def output(self, x: Tensor, y: Tensor, hw: tuple[int, int]) -> Tensor:
        """The decoder's input, of both branches."""
        return self.decoder_norms[0](to_map(torch.cat((x, y), dim=-1), hw))
