"""Redundancy on CPUs: dot products and cosines in C++, in double precision."""

from __future__ import annotations

import numpy as np

from ermu.kernels.base.scoring import (
    MAX_SLOTS,
    KeyGram,
    check_gram_update,
    check_redundancy,
    expect_slots,
)
from ermu.kernels.base.tensor_checks import nan_found
from ermu.kernels.cpu.library import native
from ermu.types import Array


class CpuKeyGram(KeyGram):
    """See `CpuScoring.key_gram`."""

    def __init__(self, slots: int, channels: int, isa: str, threads: int) -> None:
        expect_slots(slots)
        self._isa, self._threads, self._channels = isa, threads, channels
        self._tokens = 0
        self._known = [False] * MAX_SLOTS
        self._sums = np.zeros((slots, channels))
        self._dots = np.zeros((slots, slots, channels))

    def update(self, slot: int, keys: Array) -> None:
        """See `KeyGram.update`."""
        check_gram_update(slot, keys, self._tokens or None, self._channels)
        sums, dots = np.empty(self._channels), np.empty((len(keys), self._channels))
        native().slot_dots(self._isa, np.ascontiguousarray(keys), slot, sums, dots, self._threads)
        if not np.isfinite(dots[slot]).all():
            raise nan_found("keys")
        self._tokens = keys.shape[1]
        self._grow(len(keys))
        self._sums[slot] = sums
        self._dots[slot, : len(keys)] = self._dots[: len(keys), slot] = dots
        self._known[slot] = True

    def redundancy(self, rows: Array, out: Array) -> None:
        """See `KeyGram.redundancy`."""
        check_redundancy(rows, out, self._known, self._channels)
        native().redundancy(self._sums, self._dots, np.ascontiguousarray(rows), self._tokens, out)

    def _grow(self, slots: int) -> None:
        extra = slots - len(self._sums)
        if extra > 0:
            self._sums = np.pad(self._sums, ((0, extra), (0, 0)))
            self._dots = np.pad(self._dots, ((0, extra), (0, extra), (0, 0)))
