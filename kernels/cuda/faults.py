"""The fault word: kernels set a bit of it where a value is not finite, and never stop for that."""

from __future__ import annotations

import numpy as np

from ermu.devices.base import Device
from ermu.kernels.base.tensor_checks import nan_found

# The bits of common.cuh.
NAMES = {1: "query or keys", 2: "keys", 4: "foreground (or a negative number)", 8: "logits"}


class FaultWord:
    """One word on the device for all kernels of a set; launches add to it until it is read.

    Args:
        device: Where the kernels run.

    Attributes:
        address: For the kernels.
    """

    def __init__(self, device: Device) -> None:
        self._device = device
        self._word = device.empty((1,), np.int32)
        self.address = self._word.address
        self._clear()

    def check(self) -> None:
        """Raises `KernelError` naming what was not finite in the launches since the last check.

        Waits for those launches.
        """
        word = int(self._device.download(self._word)[0])
        if word:
            self._clear()
            raise nan_found(" and ".join(name for bit, name in NAMES.items() if word & bit))

    def _clear(self) -> None:
        self._device.upload(np.zeros(1, np.int32), self._word)
