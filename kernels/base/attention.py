"""The interface of ERMU's attention: long-term attention over a memory bank, and DeAOT's windowed one.

Shapes use T for slots in use, N for tokens (h * w of the stride-16 grid), D = heads * d for the channels of
queries and keys, and Cv = heads * dv for those of values. The formulas are those of `spec/network.md`.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod

from ermu.errors import KernelError
from ermu.kernels.base.scoring import Array

PRECISIONS = ("fp32", "bf16", "int8")
WINDOW_RADIUS = 7
WINDOW_KEYS = (2 * WINDOW_RADIUS + 1) ** 2  # 225


class Recall(ABC):
    """Multi-head attention of a frame's tokens on every token of every slot of one memory bank.

    Keys and values are packed when a slot is written; the temporal row of a slot, which changes as the
    bank ages, is given to each read and costs nothing per key. Slots may be in any order. One recall serves
    one thread at a time; different recalls may be used from different threads.
    """

    @abstractmethod
    def write(self, slot: int, key: Array, value: Array) -> None:
        """Packs the keys and values of one frame, overwriting those of the slot.

        Args:
            slot: 0 <= slot <= number of slots written; the next free slot is appended, and room is made
                where there is none.
            key: (N, D) float32, *without* the temporal row.
            value: (N, Cv) float32.

        Raises:
            KernelError: shapes or dtypes do not fit, a value is not finite, or a slot would be left out.
        """

    @abstractmethod
    def read(self, query: Array, rows: Array, out: Array, masses: Array | None = None) -> None:
        """Attends to the first T slots: out = softmax(q . (k + row of k's slot) / sqrt(d)) v, head by head.

        Args:
            query: (N, D) float32, the current frame's q + cur.
            rows: (T, D) float32, the temporal row of each slot (zeros for a network without); T <= slots
                written.
            out: (N, Cv) float32, C-contiguous, written in place; heads lie side by side.
            masses: (N, T) float32, C-contiguous, written in place where given: each query's attention mass
                per slot, mean over heads, as `Kernels.frame_masses` gives it.

        Raises:
            KernelError: shapes or dtypes do not fit, or a value is not finite.
        """


class Attention(ABC):
    """What makes recalls and does windowed attention, on one device."""

    name: str
    precisions: tuple[str, ...]  # of `PRECISIONS`, what this processor has instructions for

    @abstractmethod
    def recall(
        self,
        slots: int,
        tokens: int,
        heads: int,
        key_width: int,
        value_width: int,
        *,
        precision: str = "fp32",
    ) -> Recall:
        """An empty recall.

        Args:
            slots: Slots to make room for at first.
            tokens: N.
            heads: Number of heads; divides both widths.
            key_width: D.
            value_width: Cv.
            precision: "fp32"; "bf16" (16-bit products, fp32 sums and softmax); or "int8" (8-bit codes of
                keys and values less their mean over the slot's tokens, the means added back exactly).

        Raises:
            KernelError: a width cannot be split over the heads, or the precision is not in `precisions`.
        """

    @abstractmethod
    def window(
        self, query: Array, key: Array, value: Array, bias: Array, hw: tuple[int, int], out: Array
    ) -> None:
        """DeAOT's short-term attention: each token attends to the 15 x 15 window around it, with one head.

        Logits are q . k / sqrt(D) + bias[q, dy * 15 + dx] with dy = key_y - query_y + 7 and dx alike; keys
        outside the window have weight exactly 0, and positions outside the grid do not exist.

        Args:
            query: (N, D) float32.
            key: (N, D) float32.
            value: (N, Cv) float32.
            bias: (N, 225) float32.
            hw: The token grid (h, w); N = h * w.
            out: (N, Cv) float32, C-contiguous, written in place.

        Raises:
            KernelError: shapes or dtypes do not fit, or a value is not finite.
        """


def load_attention(threads: int | None = None) -> Attention | None:
    """The compiled attention.

    Args:
        threads: Threads per call; by default the processors that this process may use.

    Returns:
        None where `ERMU_KERNELS` is "numpy", or the C++ library neither came with the package nor can be
        built: the network's own attention serves then.
    """
    if os.environ.get("ERMU_KERNELS") == "numpy":
        return None
    try:
        from ermu.kernels.cpu.attention import CpuAttention

        return CpuAttention(threads=threads)
    except KernelError:
        return None
