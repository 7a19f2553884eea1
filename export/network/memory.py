"""What a frame leaves behind: the values that pass between propagating, memorising and the bank."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor

KeyValue = tuple[Tensor, Tensor]


class AotCarry(NamedTuple):
    """What an AOT block keeps of a propagated frame until its label is known; each B x n x C.

    Attributes:
        key: Long-memory key, final already.
        value: norm2's output; with the identity added and projected it becomes the long-memory value.
        short_key: Short-memory key, final already.
        short: The short-term attention's output; with the identity it becomes the short-memory value.
    """

    key: Tensor
    value: Tensor
    short_key: Tensor
    short: Tensor


class DeaotCarry(NamedTuple):
    """What a DeAOT block keeps of a propagated frame until its label is known.

    Attributes:
        key: B x n x D, final already.
        value: B x n x G, the visual half of the memory value, final already.
        context: B x n x C, id_norm1(y), which joins the identity in the other half; None in block 0.
    """

    key: Tensor
    value: Tensor
    context: Tensor | None


class MemoryEntry(NamedTuple):
    """One frame's memory, a (key, value) pair a block; in DeAOT both lists hold the same tensors.

    Attributes:
        long: For the memory bank; key B x n x D, value B x n x Cv.
        short: For the next frame; shapes as `long`.
    """

    long: list[KeyValue]
    short: list[KeyValue]
