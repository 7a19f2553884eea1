"""What a frame leaves behind: the values that pass between memorising and the bank."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor

KeyValue = tuple[Tensor, Tensor]


class MemoryEntry(NamedTuple):
    """One frame's memory, a (key, value) pair a block.

    Attributes:
        long: For the memory bank; key B x n x D, value B x n x Cv.
        short: For the next frame, shapes as `long`; the same tensors in families with one memory.
    """

    long: list[KeyValue]
    short: list[KeyValue]
