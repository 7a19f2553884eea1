"""The key gram on the device: per-channel products in double precision, kept from append to append."""

from __future__ import annotations

import numpy as np

from ermu.devices.gpu import GpuDevice
from ermu.devices.tensor import DeviceTensor
from ermu.kernels.base.scoring import (
    MAX_SLOTS,
    KeyGram,
    check_gram_update,
    check_redundancy,
    expect_slots,
)
from ermu.kernels.cuda import params
from ermu.kernels.cuda.faults import FaultWord
from ermu.kernels.cuda.tensors import Scratch, address_of, divided, kind_of
from ermu.types import Array

BLOCK = (32, 8, 1)  # channels and tokens of a block of `key_gram`


class CudaKeyGram(KeyGram):
    """See `CudaScoring.key_gram`; O(T N D) on the device for each new slot, O(T^2 D) for each scoring."""

    def __init__(
        self, device: GpuDevice, faults: FaultWord, scratch: Scratch, slots: int, channels: int
    ) -> None:
        expect_slots(slots)
        self._device, self._faults, self._scratch = device, faults, scratch
        self._channels, self._capacity, self._tokens = channels, slots, 0
        self._known = [False] * MAX_SLOTS
        self._sums, self._dots = self._allocated(slots)

    def update(self, slot: int, keys: DeviceTensor) -> None:
        """See `KeyGram.update`."""
        check_gram_update(slot, keys, self._tokens or None, self._channels)
        slots, self._tokens = keys.shape[:2]
        self._grow(slots)
        pointers = address_of("keys", keys, keys.dtype.itemsize), self._sums.address, self._dots.address
        sizes = slot, self._capacity, self._tokens, self._channels
        self._device.launch(
            f"key_gram_{kind_of(keys)}",
            (divided(self._channels, BLOCK[0]), slots, 1),
            BLOCK,
            params.GramParams(*pointers, self._faults.address, *sizes),
        )
        self._known[slot] = True

    def redundancy(self, rows: Array, out: DeviceTensor) -> None:
        """See `KeyGram.redundancy`."""
        slots = check_redundancy(rows, out, self._known, self._channels)
        held = self._scratch.uploaded("rows", rows)
        similarity = self._scratch.tensor("similarity", (slots, slots), np.float64)
        pointers = self._sums.address, self._dots.address, held.address, similarity.address
        cosines = params.CosineParams(*pointers, slots, self._capacity, self._tokens, self._channels)
        self._device.launch("slot_cosines", (slots, slots, 1), (128, 1, 1), cosines)
        shares = params.ShareParams(similarity.address, address_of("out", out), slots)
        self._device.launch("redundancy_shares", (1, 1, 1), (32, 1, 1), shares)

    def _allocated(self, slots: int) -> tuple[DeviceTensor, DeviceTensor]:
        """Sums (slots, D) and dot products (slots, slots, D); what no update wrote is never read."""
        sums = self._device.empty((slots, self._channels), np.float64)
        return sums, self._device.empty((slots, slots, self._channels), np.float64)

    def _grow(self, slots: int) -> None:
        if slots <= self._capacity:
            return
        sums, dots = self._allocated(slots)
        held = self._capacity
        self._device.copy(self._sums, sums.first(held))
        for slot in range(held):
            self._device.copy(self._dots.at(slot), dots.at(slot).first(held))
        self._sums, self._dots, self._capacity = sums, dots, slots
