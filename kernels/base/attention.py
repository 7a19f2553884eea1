"""The interface of attention over a memory bank and in a window, and the checks of its arguments.

Shapes use T for slots in use, N for tokens (h * w of the stride-16 grid), D = heads * d for the channels of
queries and keys, and Cv = heads * dv for those of values. The formulas are those of `docs/spec/network.md`.
Tensors are what `Device.kernel_argument` gives; results are written into those given.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ermu.errors import KernelError, OptionError
from ermu.kernels.base.tensor_checks import Tensor, expect_finite, expect_output, expect_tensor
from ermu.types import Array

PRECISIONS = ("fp32", "bf16", "int8")
WINDOW_RADIUS = 7
WINDOW_KEYS = (2 * WINDOW_RADIUS + 1) ** 2  # 225


@dataclass(frozen=True)
class SlotCodes:
    """A slot as its precision rounded it, the same whatever instruction set has packed it.

    A key is its mean and its code times its head's step, a value its mean and its code times its channel's
    step. In fp32 the codes are the numbers themselves; means are 0 and steps 1.

    Attributes:
        key: (N, D) float32.
        value: (N, Cv) float32.
        key_mean: (D,) float32.
        value_mean: (Cv,) float32.
        key_step: (heads,) float32.
        value_step: (Cv,) float32.
    """

    key: Array
    value: Array
    key_mean: Array
    value_mean: Array
    key_step: Array
    value_step: Array

    @classmethod
    def plain(cls, key: Array, value: Array, heads: int) -> SlotCodes:
        """Numbers that nothing has rounded."""
        channels = (0.0, key.shape[1]), (0.0, value.shape[1]), (1.0, heads), (1.0, value.shape[1])
        return cls(key, value, *(np.full(count, number, np.float32) for number, count in channels))

    @property
    def numbers(self) -> tuple[Array, Array]:
        """Keys (N, D) and values (N, Cv), float32, as attention takes them."""
        steps = np.repeat(self.key_step, len(self.key_mean) // len(self.key_step))
        return self.key_mean + self.key * steps, self.value_mean + self.value * self.value_step


class KeyValueCache(ABC):
    """Multi-head attention of a frame's tokens on every token of every slot of one memory bank.

    Keys and values are packed when a slot is written; the temporal row of a slot, which changes as the
    bank ages, is given to each read and costs nothing per key. Slots may be in any order. One cache serves
    one thread at a time; different caches may be used from different threads.

    Attributes:
        precision: Of `PRECISIONS`.
    """

    precision: str

    @abstractmethod
    def write(self, slot: int, key: Tensor, value: Tensor) -> None:
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
    def read(self, query: Tensor, rows: Array, out: Tensor, masses: Tensor | None = None) -> None:
        """Attends to the first T slots: out = softmax(q . (k + row of k's slot) / sqrt(d)) v, head by head.

        Args:
            query: (N, D) float32, the current frame's q + cur.
            rows: (T, D) float32 on the host, the temporal row of each slot (zeros for a network without);
                T <= slots written.
            out: (N, Cv) float32, written; heads lie side by side.
            masses: (N, T) float32, written where given: each query's attention mass per slot, mean over
                heads, as `Scoring.frame_masses` writes it.

        Raises:
            KernelError: shapes or dtypes do not fit, or a value is not finite.
        """

    @abstractmethod
    def codes(self, slot: int) -> SlotCodes:
        """What a slot that was written holds."""

    @abstractmethod
    def put(self, codes: SlotCodes) -> None:
        """Appends a slot of a cache of this shape and precision, to the bit as it was there.

        Raises:
            KernelError: shapes or dtypes do not fit, or a value is not finite.
        """

    @abstractmethod
    def sharing(self, slots: Sequence[int]) -> KeyValueCache:
        """A cache of some of the slots written, in the order given; a write changes one of the two only."""


class Attention(ABC):
    """Makes key-value caches and does windowed attention, on one device."""

    name: str
    precisions: tuple[str, ...]  # of `PRECISIONS`, what this processor has instructions for

    @abstractmethod
    def cache(
        self,
        slots: int,
        tokens: int,
        heads: int,
        key_width: int,
        value_width: int,
        *,
        precision: str = "fp32",
    ) -> KeyValueCache:
        """An empty key-value cache.

        Args:
            slots: Slots to make room for at first.
            tokens: N.
            heads: Number of heads; divides both widths.
            key_width: D.
            value_width: Cv.
            precision: "fp32"; "bf16" (16-bit products, fp32 sums and softmax); or "int8" (8-bit codes of
                keys and values less their mean over the slot's tokens, the means added back exactly).

        Raises:
            KernelError: a width cannot be split over the heads.
            OptionError: the precision is not in `precisions`.
        """

    @abstractmethod
    def window(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        bias: Tensor,
        hw: tuple[int, int],
        out: Tensor,
        relative: Array | None = None,
    ) -> None:
        """Short-term attention: each token attends to the 15 x 15 window around it, head by head.

        Of the key at (y + dy, x + dx), place i = (dy + 7) * 15 + dx + 7 in the window of the query at (y, x),
        the logit is q . k / sqrt(d) + bias[head, q, i] and the value v + relative[head, i]. Keys outside the
        window have weight exactly 0, and places outside the grid do not exist. Always in float32.

        Args:
            query: (N, D) float32, D = heads * d.
            key: (N, D) float32.
            value: (N, Cv) float32, Cv = heads * dv.
            bias: (heads, N, 225) float32.
            hw: The token grid (h, w); N = h * w.
            out: (N, Cv) float32, written; heads lie side by side.
            relative: (heads, 225, dv) float32 on the host, what a value gains by its place in the window;
                None for a network without.

        Raises:
            KernelError: shapes or dtypes do not fit, or a value is not finite.
        """


@dataclass(frozen=True)
class CacheShape:
    """Sizes of one bank: N tokens a slot, D = heads * d key channels, Cv = heads * dv value channels."""

    tokens: int
    heads: int
    key_width: int
    value_width: int

    @property
    def key_head(self) -> int:
        """The channels of one head's keys: d."""
        return self.key_width // self.heads


def cache_shape(slots: int, tokens: int, heads: int, key_width: int, value_width: int) -> CacheShape:
    """The sizes of a bank; raises `KernelError` where they make none."""
    if min(slots, tokens, heads, key_width, value_width) < 1:
        raise KernelError(
            f"slots, tokens, heads and widths are {slots}, {tokens}, {heads}, {key_width}, {value_width}.",
            expected="at least 1 each",
        )
    if key_width % heads or value_width % heads:
        raise KernelError(
            f"Widths {key_width} and {value_width} cannot be split over {heads} heads.",
            expected="D = heads * d and Cv = heads * dv",
        )
    return CacheShape(tokens, heads, key_width, value_width)


def check_precision(precision: str, available: tuple[str, ...]) -> None:
    """Raises `OptionError` unless the precision exists and can be had here."""
    if precision not in available:
        known = "This processor has no attention in" if precision in PRECISIONS else "There is no precision"
        raise OptionError(f"{known} '{precision}'.", expected=f"one of {', '.join(available)}")


def check_write(shape: CacheShape, written: int, slot: int, key: Tensor, value: Tensor) -> None:
    """Checks the arguments of `KeyValueCache.write`; `written` slots were written before."""
    if not 0 <= slot <= written:
        raise KernelError(
            f"Slot {slot} cannot be written: the bank holds {written} slots.",
            expected=f"0 to {written}, the next free one",
        )
    expect_tensor("key", key, (shape.tokens, shape.key_width), np.float32)
    expect_tensor("value", value, (shape.tokens, shape.value_width), np.float32)


def check_codes(shape: CacheShape, codes: SlotCodes) -> None:
    """Checks the argument of `KeyValueCache.put`."""
    widths = {"key_mean": shape.key_width, "value_mean": shape.value_width}
    widths |= {"key_step": shape.heads, "value_step": shape.value_width}
    expect_tensor("key", codes.key, (shape.tokens, shape.key_width), np.float32)
    expect_tensor("value", codes.value, (shape.tokens, shape.value_width), np.float32)
    for name, width in widths.items():
        expect_tensor(name, getattr(codes, name), (width,), np.float32)
    expect_finite(**vars(codes))


def check_read(
    shape: CacheShape, written: int, query: Tensor, rows: Array, out: Tensor, masses: Tensor | None
) -> int:
    """Checks the arguments of `KeyValueCache.read`; returns T."""
    expect_tensor("query", query, (shape.tokens, shape.key_width), np.float32)
    slots = rows.shape[0] if rows.ndim == 2 else 0
    expect_tensor("rows", rows, (max(slots, 1), shape.key_width), np.float32)
    if slots > written:
        raise KernelError(
            f"There are rows for {slots} slots, but {written} were written.", fix="write each slot first"
        )
    expect_output("out", out, (shape.tokens, shape.value_width), np.float32)
    if masses is not None:
        expect_output("masses", masses, (shape.tokens, slots), np.float32)
    return slots


def check_window(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    bias: Tensor,
    hw: tuple[int, int],
    out: Tensor,
    relative: Array | None,
) -> int:
    """Checks the arguments of `Attention.window`; returns the number of heads."""
    shapes: list[tuple[int, ...]] = [tuple(t.shape) for t in (query, value, bias)]
    if [len(shape) for shape in shapes] != [2, 2, 3] or min(*hw, *(min(shape) for shape in shapes)) < 1:
        raise KernelError(
            f"query, value and bias have shapes {shapes}, the grid is {tuple(hw)}.",
            expected="(N, D), (N, Cv), (heads, N, 225) and (h, w) with N = h * w",
        )
    tokens, heads = hw[0] * hw[1], shapes[2][0]
    shape = cache_shape(1, tokens, heads, shapes[0][1], shapes[1][1])
    expect_tensor("query", query, (tokens, shape.key_width), np.float32)
    expect_tensor("key", key, (tokens, shape.key_width), np.float32)
    expect_tensor("value", value, (tokens, shape.value_width), np.float32)
    expect_tensor("bias", bias, (heads, tokens, WINDOW_KEYS), np.float32)
    expect_output("out", out, (tokens, shape.value_width), np.float32)
    if relative is not None:
        of_head = (heads, WINDOW_KEYS, shape.value_width // heads)
        expect_tensor("relative", relative, of_head, np.float32)
    return heads
