"""The key gram on the device: per-channel products in double precision, kept from append to append."""

from __future__ import annotations

import numpy as np

from ermu.kernels.base import checks
from ermu.kernels.base.scoring import Array, FloatArray, KeyGram
from ermu.kernels.cuda import params as c
from ermu.kernels.cuda.device import Device, DeviceArray

CHANNELS_A_BLOCK = 32


class CudaKeyGram(KeyGram):
    """See `KeyGram`; O(T N D) on the device for each new slot, O(T^2 D) for each scoring.

    Args:
        device: where the products live.
        slots: slots to make room for at first.
        channels: D.
    """

    def __init__(self, device: Device, slots: int, channels: int) -> None:
        checks.expect_slots(slots)
        self._device, self._channels, self._capacity = device, channels, slots
        self._tokens: int | None = None
        self._known = [False] * checks.MAX_SLOTS
        self._sums = device.upload(np.zeros((slots, channels)))
        self._dots = device.upload(np.zeros((slots, slots, channels)))

    def update(self, slot: int, keys: Array) -> None:
        """See `KeyGram.update`."""
        checks.check_gram_update(slot, keys, self._tokens, self._channels)
        self._grow(keys.shape[0])
        held, fault = self._device.hold("keys", keys), self._device.upload(np.zeros(1, dtype=np.int32))
        pointers = (held.address, self._sums.address, self._dots.address, fault.address)
        kind = "f16" if held.dtype == np.float16 else "f32"
        self._device.launch(
            f"key_gram_{kind}",
            (-(-self._channels // CHANNELS_A_BLOCK), keys.shape[0], 1),
            (CHANNELS_A_BLOCK, 8, 1),
            c.GramParams(*pointers, slot, self._capacity, keys.shape[1], self._channels),
        )
        if np.asarray(self._device.download(fault))[0]:
            raise checks.nan_found("keys")
        self._tokens, self._known[slot] = keys.shape[1], True

    def redundancy(self, rows: Array) -> FloatArray:
        """See `KeyGram.redundancy`."""
        slots = checks.check_gram_rows(rows, self._known, self._channels)
        held = (
            rows if isinstance(rows, np.ndarray) else self._device.download(self._device.hold("rows", rows))
        )
        single = self._device.upload(np.asarray(held, dtype=np.float32))
        similarity = self._device.empty((slots, slots), np.float64)
        out = self._device.empty((slots,), np.float64)
        pointers = (self._sums.address, self._dots.address, single.address, similarity.address)
        cosines = c.CosineParams(*pointers, slots, self._capacity, self._tokens or 0, self._channels)
        self._device.launch("slot_cosines", (slots, slots, 1), (128, 1, 1), cosines)
        shares = c.ShareParams(similarity.address, out.address, slots)
        self._device.launch("redundancy_shares", (1, 1, 1), (32, 1, 1), shares)
        return np.asarray(self._device.download(out), dtype=np.float64)

    def _grow(self, slots: int) -> None:
        extra = slots - self._capacity
        if extra <= 0:
            return
        self._sums = self._padded(self._sums, [(0, extra), (0, 0)])
        self._dots = self._padded(self._dots, [(0, extra), (0, extra), (0, 0)])
        self._capacity = slots

    def _padded(self, held: DeviceArray, widths: list[tuple[int, int]]) -> DeviceArray:
        return self._device.upload(np.pad(np.asarray(self._device.download(held), dtype=np.float64), widths))
