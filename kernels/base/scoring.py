"""The interface of ERMU's scoring and the checks of its arguments.

Shapes use T for memory frames (slots in use), N for tokens (h * w of the stride-16 grid) and D = heads * d
for key channels. Slots are in buffer order, not in time order. The formulas are those of `docs/spec/ermu.md`.

Tensors are what `Device.kernel_argument` gives on the device that the kernels were made for. Results are
written into the tensors given, in that device's stream; nothing is returned. A value that is not finite
raises at once on the host; on a GPU `Kernels.check_faults` reports it.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ermu.errors import KernelError
from ermu.kernels.base.tensor_checks import (
    Tensor,
    expect_float,
    expect_output,
    expect_shape,
    expect_tensor,
    nan_found,
)
from ermu.types import Array

MAX_SLOTS = 32  # a lane of a CUDA warp for each, when their shares are added up
NEGLIGIBLE = 1e-6  # share of the foreground that the queries left out may hold together
SQA_STEP = 0.04  # of the codes of quantised scoring attention, `docs/spec/ermu.md`


class KeyGram(ABC):
    """Per-channel dot products and sums of the bank's keys, kept up to date one slot at a time.

    This is the exact incremental form of the redundancy: the temporal rows are constant over tokens, so
    they are added afterwards and changing them costs nothing per token.
    """

    @abstractmethod
    def update(self, slot: int, keys: Tensor) -> None:
        """Takes in the keys just written to `slot`.

        Args:
            slot: Index of the slot that changed, 0 <= slot < T.
            keys: (T, N, D) float32 or float16 keys of every slot in use, *without* temporal rows;
                `keys[slot]` is new.

        Raises:
            KernelError: shapes or dtypes do not fit, or a value is not finite.
        """

    @abstractmethod
    def redundancy(self, rows: Array, out: Tensor) -> None:
        """Redundancy of every slot in use, rounded to 4 decimals (`docs/spec/ermu.md`, step 3).

        Args:
            rows: (T, D) float32 on the host, the temporal row of each slot.
            out: (T,) float64 in slot order, written.

        Raises:
            KernelError: shapes or dtypes do not fit, or a slot was never taken in.
        """


class Scoring(ABC):
    """Relevance, redundancy and the foreground that weighs them, on one device."""

    name: str
    head_channels: tuple[int, ...] | None = None  # widths of a head that it can score; None, any

    @abstractmethod
    def frame_masses(self, query: Tensor, keys: Tensor, rows: Array, out: Tensor, *, heads: int) -> None:
        """Attention mass that each query gives to each memory frame, mean over heads (step 1).

        Softmax runs over all T * N keys with scale 1 / sqrt(d); the N x (T * N) attention is never stored.

        Args:
            query: (N, D) float32 or float16, block 0's q + cur.
            keys: (T, N, D) as `query`, block 0's keys without temporal rows.
            rows: (T, D) float32 on the host, the temporal row of each slot.
            out: (N, T) float32, written.
            heads: Number of heads; d = D / heads.

        Raises:
            KernelError: shapes or dtypes do not fit, or a value is not finite.
        """

    @abstractmethod
    def relevance(
        self, query: Tensor, keys: Tensor, rows: Array, foreground: Tensor, out: Tensor, *, heads: int
    ) -> None:
        """Foreground-weighted mass of each slot (step 1); arguments as `frame_masses`, and:

        Queries whose foreground together holds under 1e-6 of the total may be left out.

        Args:
            foreground: (N,) float32 probability that a token is not background.
            out: (T,) float64 in slot order, written; sums to 1, uniform where the foreground is zero.
        """

    @abstractmethod
    def weigh_masses(self, masses: Tensor, foreground: Tensor, out: Tensor) -> None:
        """The relevance from masses that are known already.

        Args:
            masses: (N, T) float32, as `frame_masses` writes them.
            foreground: (N,) float32 probability that a token is not background.
            out: (T,) float64 in slot order, written; sums to 1, uniform where the foreground is zero.

        Raises:
            KernelError: shapes or dtypes do not fit, or the foreground is negative or not finite.
        """

    @abstractmethod
    def key_gram(self, slots: int, channels: int) -> KeyGram:
        """An empty `KeyGram` with room for `slots` slots of `channels` channels; it may grow."""

    @abstractmethod
    def foreground(self, logits: Tensor, active: Array, out: Tensor, *, align_corners: bool) -> None:
        """Foreground probability of each token: 1 - softmax(logits at stride 16)[background].

        Bilinear with aligned corners from (4h-3, 4w-3) to (h, w) takes every fourth logit exactly; with
        half-pixel centres, from (4h, 4w), the mean of the four around a token's centre.

        Args:
            logits: (C, 4h-3, 4w-3), or (C, 4h, 4w), float32 or float16 stride-4 logits of one group.
            active: (C,) bool on the host, channels in use; the others are silenced.
            out: (h * w,) float32, written.
            align_corners: Which of the two grids it is.

        Raises:
            KernelError: shapes or dtypes do not fit, or a value is not finite.
        """


@dataclass(frozen=True)
class ScoringShape:
    """Sizes of one scoring: T slots of N tokens, `heads` heads of `head_channels` channels."""

    slots: int
    tokens: int
    heads: int
    head_channels: int

    @property
    def channels(self) -> int:
        """D = heads * d."""
        return self.heads * self.head_channels

    @property
    def scale(self) -> float:
        """1 / sqrt(d), the factor on q . k."""
        return 1.0 / math.sqrt(self.head_channels)


def expect_slots(slots: int) -> None:
    """Raises `KernelError` unless 1 <= slots <= `MAX_SLOTS`."""
    if not 1 <= slots <= MAX_SLOTS:
        raise KernelError(
            f"The memory bank holds {slots} slots.",
            expected=f"1 to {MAX_SLOTS} for scoring",
            fix="lower the memory capacity, or choose the policy 'fifo'",
        )


def check_scoring(query: Tensor, keys: Tensor, rows: Array, heads: int) -> ScoringShape:
    """Checks the tensors of one scoring against each other and returns their sizes."""
    for name, tensor in (("query", query), ("keys", keys)):
        expect_float(name, tensor)
    if np.dtype(query.dtype) != np.dtype(keys.dtype):
        raise KernelError(
            f"query is {np.dtype(query.dtype)} and keys are {np.dtype(keys.dtype)}.",
            expected="one dtype for both",
        )
    if len(query.shape) != 2 or 0 in query.shape:
        raise KernelError(f"query has shape {tuple(query.shape)}.", expected="(N, D), neither of them 0")
    tokens, channels = query.shape
    if heads < 1 or channels % heads:
        raise KernelError(
            f"{channels} channels cannot be split over {heads} heads.", expected="D = heads * d"
        )
    slots = keys.shape[0] if len(keys.shape) == 3 else 0
    expect_shape("keys", keys, (max(slots, 1), tokens, channels))
    expect_slots(slots)
    check_rows(rows, slots, channels)
    return ScoringShape(slots, tokens, heads, channels // heads)


def check_rows(rows: Array, slots: int, channels: int) -> None:
    """Raises `KernelError` unless `rows` are (T, D) float32 numbers on the host."""
    if not isinstance(rows, np.ndarray):
        raise KernelError(f"rows are a {type(rows).__name__}.", expected="a numpy array")
    expect_tensor("rows", rows, (slots, channels), np.float32)
    if not np.isfinite(rows).all():
        raise nan_found("rows")


def check_masses(masses: Tensor, foreground: Tensor, out: Tensor) -> tuple[int, int]:
    """Checks the arguments of `Scoring.weigh_masses`; returns (N, T)."""
    if len(masses.shape) != 2 or 0 in masses.shape:
        raise KernelError(f"masses have shape {tuple(masses.shape)}.", expected="(N, T), neither of them 0")
    tokens, slots = masses.shape
    expect_slots(slots)
    expect_tensor("masses", masses, (tokens, slots), np.float32)
    expect_tensor("foreground", foreground, (tokens,), np.float32)
    expect_output("out", out, (slots,), np.float64)
    return tokens, slots


def check_gram_update(slot: int, keys: Tensor, tokens: int | None, channels: int) -> None:
    """Checks the arguments of `KeyGram.update`; `tokens` is None before the first update."""
    expect_float("keys", keys)
    if len(keys.shape) != 3 or 0 in keys.shape:
        raise KernelError(f"keys have shape {tuple(keys.shape)}.", expected="(T, N, D), none of them 0")
    expect_shape("keys", keys, (keys.shape[0], tokens or keys.shape[1], channels))
    expect_slots(keys.shape[0])
    if not 0 <= slot < keys.shape[0]:
        raise KernelError(f"Slot {slot} is outside the {keys.shape[0]} slots of keys.")


def check_redundancy(rows: Array, out: Tensor, known: Sequence[bool], channels: int) -> int:
    """Checks the arguments of `KeyGram.redundancy`; returns T."""
    slots = rows.shape[0] if len(rows.shape) == 2 else 0
    expect_slots(slots)
    check_rows(rows, slots, channels)
    missing = [slot for slot in range(slots) if slot >= len(known) or not known[slot]]
    if missing:
        raise KernelError(
            f"The keys of slots {missing} were never taken in.", fix="call update for each slot written"
        )
    expect_output("out", out, (slots,), np.float64)
    return slots


def check_active(active: Array, shape: Sequence[int]) -> None:
    """Raises `KernelError` unless `active` is boolean, of the given shape, with the background in use."""
    expect_tensor("active", active, shape, np.bool_)
    if not active[..., 0].all():
        raise KernelError("The background channel is not active.", expected="active[..., 0] true")


def check_foreground(logits: Tensor, active: Array, out: Tensor, align_corners: bool) -> tuple[int, int]:
    """Checks the arguments of `Scoring.foreground`; returns the token grid (h, w)."""
    expect_float("logits", logits)
    if len(logits.shape) != 3 or any(side % 4 != int(align_corners) for side in logits.shape[1:]):
        expected = "(C, 4h-3, 4w-3)" if align_corners else "(C, 4h, 4w)"
        raise KernelError(f"logits have shape {tuple(logits.shape)}.", expected=expected)
    check_active(active, logits.shape[:1])
    height, width = ((side + 3) // 4 for side in logits.shape[1:])
    expect_output("out", out, (height * width,), np.float32)
    return height, width


def logits_at_tokens(logits: Array, active: Array, align_corners: bool, dtype: npt.DTypeLike) -> Array:
    """Stride-4 logits (C, h4, w4) resized to the token grid, of the active channels: (C', h, w)."""
    if align_corners:
        return logits[active, ::4, ::4].astype(dtype)
    around = [logits[active, y::4, x::4].astype(dtype) for y in (1, 2) for x in (1, 2)]
    return np.asarray(sum(around) / np.asarray(4, dtype))


def foreground_weights(foreground: Array) -> npt.NDArray[np.float64]:
    """The foreground in float64; raises `KernelError` for a NaN or a negative probability."""
    weights = foreground.astype(np.float64)
    if not np.isfinite(weights).all() or weights.min() < 0:
        raise nan_found("foreground (or a negative number)")
    return weights


def picked_queries(weights: npt.NDArray[np.float64]) -> npt.NDArray[np.int32]:
    """Indices of the queries to score, ascending: those left out hold under 1e-6 of the foreground together.

    Args:
        weights: (N,) as `foreground_weights` gives them.

    Returns:
        int32 indices; none where the foreground is zero everywhere.
    """
    total = weights.sum()
    if total == 0:
        return np.empty(0, dtype=np.int32)
    ascending = np.argsort(weights, kind="stable")
    first = int(np.searchsorted(np.cumsum(weights[ascending]), NEGLIGIBLE * total))
    return np.sort(ascending[first:]).astype(np.int32)


def put_shares(weights: npt.NDArray[np.float64], masses: Array, out: Array) -> None:
    """Foreground-weighted mass of each slot, summing to 1: step 1 of `docs/spec/ermu.md`."""
    weighted = weights @ masses.astype(np.float64)
    total = weighted.sum()
    out[:] = weighted / total if total > 0 else 1.0 / len(out)
