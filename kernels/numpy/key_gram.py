"""Redundancy in float64: from the keys themselves, and kept up to date one slot at a time."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ermu.kernels.base.scoring import (
    MAX_SLOTS,
    KeyGram,
    check_gram_update,
    check_redundancy,
    expect_slots,
)
from ermu.kernels.base.tensor_checks import expect_finite
from ermu.types import Array

NORM_FLOOR = 1e-12  # L2 norms below this divide by it instead

Double = npt.NDArray[np.float64]


def redundancy_direct(keys: Array) -> Double:
    """Redundancy from the keys themselves: step 3 of `docs/spec/ermu.md`, word for word.

    Args:
        keys: (T, N, D) keys *with* their temporal rows added.

    Returns:
        (T,) float64, rounded to 4 decimals.
    """
    K = keys.astype(np.float64)
    K = K / np.maximum(np.linalg.norm(K, axis=1, keepdims=True), NORM_FLOOR)
    return _share_of_similarity(np.einsum("inc,jnc->ij", K, K))


def _share_of_similarity(similarity: Double) -> Double:
    """Each slot's share of the summed similarity of different slots, rounded to 4 decimals."""
    different = similarity.copy()
    np.fill_diagonal(different, 0.0)
    total = different.sum()
    if total == 0.0:
        return np.zeros(len(different))
    return np.asarray(np.round(different.sum(axis=1) / total, 4))


class NumpyKeyGram(KeyGram):
    """The exact incremental redundancy: S[i, c] and G0[i, j, c] of `docs/spec/ermu.md`.

    Args:
        slots: Slots to make room for at first.
        channels: D.

    Raises:
        KernelError: there are too many slots.
    """

    def __init__(self, slots: int, channels: int) -> None:
        expect_slots(slots)
        self._channels = channels
        self._tokens: int | None = None
        self._known = [False] * MAX_SLOTS
        self._sums = np.zeros((slots, channels))
        self._dots = np.zeros((slots, slots, channels))

    def update(self, slot: int, keys: Array) -> None:
        """Recomputes row and column `slot` of the dot products; see `KeyGram.update`."""
        check_gram_update(slot, keys, self._tokens, self._channels)
        expect_finite(keys=keys[slot])
        new = keys[slot].astype(np.float64)
        dots = np.stack([np.einsum("nc,nc->c", new, held.astype(np.float64)) for held in keys])
        self._tokens = keys.shape[1]
        self._grow(keys.shape[0])
        self._sums[slot] = new.sum(axis=0)
        self._dots[slot, : len(keys)] = self._dots[: len(keys), slot] = dots
        self._known[slot] = True

    def redundancy(self, rows: Array, out: Array) -> None:
        """Adds the temporal rows to the dot products and normalises; see `KeyGram.redundancy`."""
        slots = check_redundancy(rows, out, self._known, self._channels)
        p = rows.astype(np.float64)
        S = self._sums[:slots]
        dots = self._dots[:slots, :slots] + p[None] * S[:, None] + p[:, None] * S[None]
        dots += (self._tokens or 0) * p[:, None] * p[None]
        norms = np.sqrt(np.maximum(np.einsum("iic->ic", dots), 0.0)).clip(min=NORM_FLOOR)
        out[:] = _share_of_similarity((dots / (norms[:, None] * norms[None])).sum(axis=2))

    def _grow(self, slots: int) -> None:
        extra = slots - len(self._sums)
        if extra > 0:
            self._sums = np.pad(self._sums, ((0, extra), (0, 0)))
            self._dots = np.pad(self._dots, ((0, extra), (0, extra), (0, 0)))
