"""What a frame leaves behind for the bank and for the next frame."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor

KeyValue = tuple[Tensor, Tensor]


class MemoryEntry(NamedTuple):
    """One frame's memory, a (key, value) pair a block; in DeAOT both lists hold the same tensors.

    Attributes:
        long: For the memory bank; key B x n x D, value B x n x Cv.
        short: For the next frame; shapes as `long`.
    """

    long: list[KeyValue]
    short: list[KeyValue]
