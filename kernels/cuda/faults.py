"""The fault word: kernels set a bit of it where a value is not finite, and never stop for that."""

from __future__ import annotations

from ermu.devices.gpu import GpuDevice
from ermu.kernels.base.tensor_checks import nan_found

# The bits of common.cuh.
NAMES = {1: "query or keys", 2: "keys", 4: "foreground (or a negative number)", 8: "logits"}


class FaultWord:
    """One word for all kernels of a set; launches add to it until it is read.

    It lies in the host's memory: kernels write it only where there is a fault, and reading it copies nothing.

    Args:
        device: Where the kernels run.

    Attributes:
        address: For the kernels.
    """

    def __init__(self, device: GpuDevice) -> None:
        self._device = device
        self._word, self.address = device.shared_word()

    def check(self) -> None:
        """Raises `KernelError` naming what was not finite in the launches since the last check.

        Waits for those launches, if nothing has.
        """
        self._device.synchronize()
        word = int(self._word[0])
        if word:
            self._word[0] = 0
            raise nan_found(" and ".join(name for bit, name in NAMES.items() if word & bit))
