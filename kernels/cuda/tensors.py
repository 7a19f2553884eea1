"""The kernels' own tensors on a device, kept from call to call, and checks of those they are given."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import numpy as np
import numpy.typing as npt

from ermu.devices.gpu import GpuDevice
from ermu.devices.tensor import DeviceTensor
from ermu.errors import KernelError
from ermu.kernels.base.tensor_checks import Tensor
from ermu.types import Array

MOST_CONSTANTS = 256


class Scratch:
    """Memory by name, allocated anew only where more is asked for than ever before.

    Work in a stream is done in order, so a name may be used again as soon as its last use was launched.

    Args:
        device: Where it lies.
    """

    def __init__(self, device: GpuDevice) -> None:
        self._device = device
        self._held: dict[str, DeviceTensor] = {}
        self._constants: dict[tuple[str, bytes], DeviceTensor] = {}

    def tensor(self, name: str, shape: Sequence[int], dtype: npt.DTypeLike) -> DeviceTensor:
        """Memory of that name with undefined contents."""
        kind, sides = np.dtype(dtype), tuple(shape)
        nbytes = prod(sides) * kind.itemsize
        held = self._held.get(name)
        if held is None or held.nbytes < nbytes:
            self._device.flush()
            self._held.pop(name, None)
            held = self._held[name] = self._device.empty((nbytes,), np.uint8)
        return DeviceTensor(held.address, sides, kind, held.owner)

    def uploaded(self, name: str, array: Array) -> DeviceTensor:
        """A device copy of an array."""
        tensor = self.tensor(name, array.shape, array.dtype)
        self._device.upload(array, tensor)
        return tensor

    def constant(self, name: str, array: Array) -> DeviceTensor:
        """A device copy of a small array that comes back again and again, copied the first time."""
        key = name, array.tobytes()
        if key not in self._constants:
            if len(self._constants) >= MOST_CONSTANTS:
                self._device.flush()
                self._constants.clear()
            tensor = self._constants[key] = self._device.empty(array.shape, array.dtype)
            self._device.upload(array, tensor)
        return self._constants[key]


def address_of(name: str, tensor: Tensor, alignment: int = 1) -> int:
    """The address of a tensor given to a kernel.

    Args:
        name: For the message.
        tensor: As it was given.
        alignment: Bytes that the kernel reads at once.

    Raises:
        KernelError: it does not lie on a device, or not so that the kernel can read it.
    """
    if not isinstance(tensor, DeviceTensor):
        raise KernelError(f"{name} is a {type(tensor).__name__}.", expected="a tensor on the device")
    if tensor.address == 0 or tensor.address % alignment:
        raise KernelError(
            f"{name} begins at address {tensor.address:#x}.",
            expected=f"a device pointer aligned to {alignment} bytes",
        )
    return tensor.address


def kind_of(tensor: Tensor) -> str:
    """The suffix of the kernels that read such numbers."""
    return "f16" if tensor.dtype == np.float16 else "f32"


def divided(count: int, by: int) -> int:
    """Blocks that cover `count` threads."""
    return -(-count // by)
