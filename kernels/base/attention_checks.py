"""Refuses arrays that attention could not take, in the same words on every device."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ermu.errors import KernelError
from ermu.kernels.base.attention import PRECISIONS, WINDOW_KEYS
from ermu.kernels.base.checks import expect_shape, nan_found
from ermu.kernels.base.scoring import Array


@dataclass(frozen=True)
class RecallShape:
    """Sizes of one bank: N tokens a slot, D = heads * d key channels, Cv = heads * dv value channels."""

    tokens: int
    heads: int
    key_width: int
    value_width: int

    @property
    def key_head(self) -> int:
        """The channels of one head's keys: d."""
        return self.key_width // self.heads

    @property
    def value_head(self) -> int:
        """The channels of one head's values: dv."""
        return self.value_width // self.heads


def recall_shape(slots: int, tokens: int, heads: int, key_width: int, value_width: int) -> RecallShape:
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
    return RecallShape(tokens, heads, key_width, value_width)


def check_precision(precision: str, available: tuple[str, ...]) -> None:
    """Raises `KernelError` unless the precision exists and can be had here."""
    if precision not in available:
        known = "This processor has no attention in" if precision in PRECISIONS else "There is no precision"
        raise KernelError(f"{known} '{precision}'.", expected=f"one of {', '.join(available)}")


def check_write(shape: RecallShape, written: int, slot: int, key: Array, value: Array) -> None:
    """Checks the arguments of `Recall.write`; `written` slots were written before."""
    if not 0 <= slot <= written:
        raise KernelError(
            f"Slot {slot} cannot be written: the bank holds {written} slots.",
            expected=f"0 to {written}, the next free one",
        )
    _expect_single("key", key, (shape.tokens, shape.key_width))
    _expect_single("value", value, (shape.tokens, shape.value_width))


def check_read(
    shape: RecallShape, written: int, query: Array, rows: Array, out: Array, masses: Array | None
) -> int:
    """Checks the arguments of `Recall.read`; returns T."""
    _expect_single("query", query, (shape.tokens, shape.key_width))
    slots = rows.shape[0] if rows.ndim == 2 else 0
    _expect_single("rows", rows, (max(slots, 1), shape.key_width))
    if slots > written:
        raise KernelError(
            f"There are rows for {slots} slots, but {written} were written.", fix="write each slot first"
        )
    _expect_output("out", out, (shape.tokens, shape.value_width))
    if masses is not None:
        _expect_output("masses", masses, (shape.tokens, slots))
    return slots


def check_window(
    query: Array, key: Array, value: Array, bias: Array, hw: tuple[int, int], out: Array
) -> None:
    """Checks the arguments of `Attention.window`."""
    tokens = hw[0] * hw[1]
    if query.ndim != 2 or value.ndim != 2 or min(*hw, query.shape[1], value.shape[1]) < 1:
        raise KernelError(
            f"query has shape {query.shape}, value {value.shape}, the grid {tuple(hw)}.",
            expected="(N, D), (N, Cv) and (h, w) with N = h * w",
        )
    _expect_single("query", query, (tokens, query.shape[1]))
    _expect_single("key", key, query.shape)
    _expect_single("value", value, (tokens, value.shape[1]))
    _expect_single("bias", bias, (tokens, WINDOW_KEYS))
    _expect_output("out", out, value.shape)


def check_finite(**arrays: Array) -> None:
    """Raises `KernelError` where one of the named arrays holds a NaN or an infinity."""
    for name, array in arrays.items():
        if not np.isfinite(array).all():
            raise nan_found(name)


def _expect_single(name: str, array: Array, shape: tuple[int, ...]) -> None:
    expect_shape(name, array, shape)
    if array.dtype != np.float32:
        raise KernelError(f"{name} has dtype {array.dtype}.", expected="float32", fix="cast it first")


def _expect_output(name: str, array: Array, shape: tuple[int, ...]) -> None:
    _expect_single(name, array, shape)
    if not (array.flags.c_contiguous and array.flags.writeable):
        raise KernelError(f"{name} cannot be written in place.", expected="a writeable C-contiguous array")
