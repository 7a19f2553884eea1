"""AOT's stack of blocks, and the norms between each and the decoder."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import torch
from torch import Tensor, nn

from ermu.export.families.aot.block import AotBlock, PropagationBlock
from ermu.export.network.layers import for_groups, sine_position, to_map, to_tokens
from ermu.export.network.memory import KeyValue, MemoryEntry
from ermu.export.network.spec import NetworkSpec
from ermu.export.network.transformer import Transformer


class AotTransformer(Transformer):
    """Every block's output is normalised and handed to the decoder beside the projected features."""

    def __init__(
        self, spec: NetworkSpec, block: Callable[[NetworkSpec, int], PropagationBlock] = AotBlock
    ) -> None:
        super().__init__()
        self.width = spec.width
        self.output_channels = spec.width * (spec.blocks + 1)
        self.layers = nn.ModuleList(block(spec, i) for i in range(spec.blocks))
        self.decoder_norms = nn.ModuleList(nn.LayerNorm(spec.width) for _ in range(spec.blocks))

    @property
    def blocks(self) -> list[PropagationBlock]:
        """In order."""
        return cast("list[PropagationBlock]", list(self.layers))

    def forward(
        self, p: Tensor, cur: Tensor | None, long: list[KeyValue], rows: Tensor | None, short: list[KeyValue]
    ) -> tuple[Tensor, list[Any]]:
        """See `Transformer.forward`."""
        hw, position = self.grid(p)
        x, maps, carries = to_tokens(p), [], []
        for block, norm, bank, previous in zip(self.blocks, self.decoder_norms, long, short, strict=True):
            x, carry = block(x, position, hw, cur, bank, rows, previous)
            maps.append(to_map(norm(x), hw))
            carries.append(carry)
        return self.output(p, maps), carries

    def reference(
        self, p: Tensor, cur: Tensor | None, row: Tensor | None, identity: Tensor
    ) -> tuple[Tensor, MemoryEntry]:
        """See `Transformer.reference`."""
        hw, position = self.grid(p)
        x, maps, entry = to_tokens(p), [], MemoryEntry([], [])
        for block, norm in zip(self.blocks, self.decoder_norms, strict=True):
            x, (long, short) = block.reference(x, position, hw, cur, row, identity)
            maps.append(to_map(norm(x), hw))
            entry.long.append(long)
            entry.short.append(short)
        return self.output(p, maps), entry

    def memorize(self, carries: list[Any], identity: Tensor) -> MemoryEntry:
        """See `Transformer.memorize`."""
        pairs = [block.memorize(carry, identity) for block, carry in zip(self.blocks, carries, strict=True)]
        return MemoryEntry([long for long, _ in pairs], [short for _, short in pairs])

    def output(self, p: Tensor, maps: list[Tensor]) -> Tensor:
        """The decoder's input: p, and every block's normalised output, G x C x h x w each."""
        return torch.cat([for_groups(p, maps[0]), *maps], dim=1)

    def grid(self, p: Tensor) -> tuple[tuple[int, int], Tensor]:
        """Token grid of a map, and its position embedding."""
        hw = (p.shape[-2], p.shape[-1])
        return hw, sine_position(hw, self.width, p)
