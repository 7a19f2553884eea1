"""The interface of the long short-term transformer, a stack of blocks; each family brings its own."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from torch import Tensor, nn

from ermu.export.network.memory import KeyValue, MemoryEntry

BlockCarry = tuple[Any, ...]  # a family's NamedTuple of tensors; None where a block keeps less than others


class Transformer(nn.Module, ABC):
    """Propagates p through the memories, block by block.

    Attributes:
        output_channels: Channels Cz of the decoder's input.
    """

    output_channels: int

    @abstractmethod
    def forward(
        self, p: Tensor, cur: Tensor | None, long: list[KeyValue], rows: Tensor | None, short: list[KeyValue]
    ) -> tuple[Tensor, list[Any]]:
        """A frame whose label is not known: the decoder's input, and each block's carry.

        Args:
            p: B x C x h x w.
            cur: 1 x D, added to the memory query; None in a network without temporal rows.
            long: Per block, keys B x T x n x D and values B x T x n x Cv of the bank.
            rows: T x D, temporal row of each memory frame; None likewise.
            short: Per block, key B x n x D and value B x n x Cv of the previous frame.
        """

    @abstractmethod
    def reference(
        self, p: Tensor, cur: Tensor | None, row: Tensor | None, identity: Tensor
    ) -> tuple[Tensor, MemoryEntry]:
        """A labelled frame, which is its own memory: the decoder's input, and that memory.

        Args:
            p: B x C x h x w.
            cur: 1 x D, or None.
            row: 1 x D, the temporal row of an only memory frame, or None.
            identity: Identity tokens behind `id_norm`, B x n x C.
        """

    @abstractmethod
    def memorize(self, carries: list[Any], identity: Tensor) -> MemoryEntry:
        """Memory of a propagated frame, once its label is known."""
