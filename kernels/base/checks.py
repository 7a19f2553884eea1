"""Refuses tensors that no kernel could take, in the same words on every device."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from ermu.errors import KernelError

MAX_SLOTS = 32  # the CUDA kernels hold one running sum a slot in registers
MAX_GROUPS = 25  # 10 * g + k must fit a byte
GROUP_CHANNELS = 11  # background and ten identities
FLOAT_TYPES = (np.dtype(np.float32), np.dtype(np.float16))


class Tensor(Protocol):
    """Anything with a shape and a dtype: a numpy array or the runtime's device tensor."""

    @property
    def shape(self) -> tuple[int, ...]: ...

    @property
    def dtype(self) -> np.dtype[np.generic]: ...


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


def expect_shape(name: str, tensor: Tensor, expected: Sequence[int]) -> None:
    """Raises `KernelError` unless `tensor` has exactly the expected shape."""
    if tuple(tensor.shape) != tuple(expected):
        raise KernelError(f"{name} has shape {tuple(tensor.shape)}.", expected=f"shape {tuple(expected)}")


def expect_float(name: str, tensor: Tensor) -> None:
    """Raises `KernelError` unless `tensor` is fp32 or fp16."""
    if np.dtype(tensor.dtype) not in FLOAT_TYPES:
        raise KernelError(
            f"{name} has dtype {np.dtype(tensor.dtype)}.", expected="float32 or float16", fix="cast it first"
        )


def expect_slots(slots: int) -> None:
    """Raises `KernelError` unless 1 <= slots <= `MAX_SLOTS`."""
    if not 1 <= slots <= MAX_SLOTS:
        raise KernelError(
            f"The memory bank holds {slots} slots.",
            expected=f"1 to {MAX_SLOTS} for scoring",
            fix="lower the memory capacity, or choose the policy 'fifo'",
        )


def scoring_shape(query: Tensor, keys: Tensor, rows: Tensor, heads: int) -> ScoringShape:
    """Checks the tensors of one scoring against each other and returns their sizes."""
    for name, tensor in (("query", query), ("keys", keys), ("rows", rows)):
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
    expect_shape("rows", rows, (slots, channels))
    return ScoringShape(slots, tokens, heads, channels // heads)


def check_foreground(foreground: Tensor, tokens: int) -> None:
    """Raises `KernelError` unless `foreground` is an fp32 (or fp64) vector with one entry a token."""
    expect_shape("foreground", foreground, (tokens,))
    if np.dtype(foreground.dtype) not in (np.dtype(np.float32), np.dtype(np.float64)):
        raise KernelError(f"foreground has dtype {np.dtype(foreground.dtype)}.", expected="float32")


def check_gram_update(slot: int, keys: Tensor, tokens: int | None, channels: int) -> None:
    """Checks the arguments of `KeyGram.update`; `tokens` is None before the first update."""
    expect_float("keys", keys)
    if len(keys.shape) != 3 or 0 in keys.shape:
        raise KernelError(f"keys have shape {tuple(keys.shape)}.", expected="(T, N, D), none of them 0")
    expect_shape("keys", keys, (keys.shape[0], tokens or keys.shape[1], channels))
    expect_slots(keys.shape[0])
    if not 0 <= slot < keys.shape[0]:
        raise KernelError(f"Slot {slot} is outside the {keys.shape[0]} slots of keys.")


def check_gram_rows(rows: Tensor, known: Sequence[bool], channels: int) -> int:
    """Checks the rows given to `KeyGram.redundancy`; returns T."""
    expect_float("rows", rows)
    slots = rows.shape[0] if len(rows.shape) == 2 else 0
    expect_shape("rows", rows, (max(slots, 1), channels))
    expect_slots(slots)
    missing = [slot for slot in range(slots) if slot >= len(known) or not known[slot]]
    if missing:
        raise KernelError(
            f"The keys of slots {missing} were never taken in.", fix="call update for each slot written"
        )
    return slots


def check_choice(relevance: Tensor, redundancy: Tensor, previous: Tensor, order: Tensor) -> None:
    """Checks the vectors of `Kernels.choose_eviction`; order must list every slot once."""
    slots = relevance.shape[0] if len(relevance.shape) == 1 else 0
    expect_slots(slots)
    if slots < 2:
        raise KernelError(
            "Only the permanent first frame is held.", expected="at least 2 slots to choose from"
        )
    for name, tensor in (("redundancy", redundancy), ("previous", previous), ("order", order)):
        expect_shape(name, tensor, (slots,))
    listed = np.asarray(order)
    if not np.issubdtype(listed.dtype, np.integer) or not np.array_equal(np.sort(listed), np.arange(slots)):
        raise KernelError(f"order is {listed.tolist()}.", expected=f"a permutation of 0..{slots - 1}")


def check_token_logits(logits: Tensor, active: Tensor) -> tuple[int, int]:
    """Checks the arguments of `Kernels.foreground`; returns the token grid (h, w)."""
    expect_float("logits", logits)
    if len(logits.shape) != 3 or any(side % 4 != 1 for side in logits.shape[1:]):
        raise KernelError(f"logits have shape {tuple(logits.shape)}.", expected="(C, 4h-3, 4w-3)")
    check_active(active, logits.shape[:1])
    return (logits.shape[1] + 3) // 4, (logits.shape[2] + 3) // 4


def check_active(active: Tensor, shape: Sequence[int]) -> None:
    """Raises `KernelError` unless `active` is boolean, of the given shape, with the background in use."""
    expect_shape("active", active, shape)
    flags = np.asarray(active)
    if flags.dtype != np.bool_:
        raise KernelError(f"active has dtype {flags.dtype}.", expected="bool")
    if not flags[..., 0].all():
        raise KernelError("The background channel is not active.", expected="active[..., 0] true")


def check_label_logits(
    logits: Tensor, active: Tensor, source_hw: tuple[int, int], network_hw: tuple[int, int]
) -> None:
    """Checks the arguments of `Kernels.label_from_logits`."""
    expect_float("logits", logits)
    if len(logits.shape) != 4 or 0 in logits.shape or not 2 <= logits.shape[1] <= GROUP_CHANNELS:
        raise KernelError(
            f"logits have shape {tuple(logits.shape)}.",
            expected=f"(G, C, h4, w4) with C = 2..{GROUP_CHANNELS}",
        )
    if logits.shape[0] > MAX_GROUPS:
        raise KernelError(
            f"{logits.shape[0]} groups of objects do not fit a byte.", expected=f"at most {MAX_GROUPS}"
        )
    check_active(active, logits.shape[:2])
    check_size("source_hw", source_hw)
    check_size("network_hw", network_hw)


def check_frame(frame: Tensor, network_hw: tuple[int, int]) -> None:
    """Checks the arguments of `Kernels.prepare_frame`."""
    if len(frame.shape) != 3 or frame.shape[2] != 3 or 0 in frame.shape or np.dtype(frame.dtype) != np.uint8:
        raise KernelError(
            f"The frame has shape {tuple(frame.shape)} and dtype {np.dtype(frame.dtype)}.",
            expected="(H, W, 3) uint8 in BGR order",
        )
    check_size("network_hw", network_hw)


def check_size(name: str, size_hw: tuple[int, int]) -> None:
    """Raises `KernelError` unless both sides are between 1 and 32767."""
    if len(size_hw) != 2 or not all(1 <= side <= 32767 for side in size_hw):
        raise KernelError(f"{name} is {tuple(size_hw)}.", expected="(height, width), each 1..32767")


def nan_found(name: str) -> KernelError:
    """The error for a tensor that holds a NaN or an infinity where a number must be."""
    return KernelError(
        f"{name} holds a value that is not a number.",
        expected="finite values",
        fix="if the network runs in fp16, look for an overflow there",
    )


def check_finite(name: str, values: npt.NDArray[np.generic]) -> None:
    """Raises `KernelError` where a value is NaN or infinite."""
    if not np.isfinite(values).all():
        raise nan_found(name)
