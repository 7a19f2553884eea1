"""The host as a device: tensors are numpy arrays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ermu.devices.base import Device
from ermu.devices.tensor import DeviceTensor
from ermu.types import Array


class HostDevice(Device):
    """Tensors in the process's own memory; copies are plain assignments."""

    name = "cpu"

    def empty(self, shape: Sequence[int], dtype: npt.DTypeLike) -> DeviceTensor:
        array = np.empty(tuple(shape), dtype)
        memory = _Memory(array.reshape(-1).view(np.uint8), array.ctypes.data)
        return DeviceTensor(memory.address, array.shape, array.dtype, memory)

    def upload(self, array: Array, target: DeviceTensor) -> None:
        self.kernel_argument(target)[...] = array

    def download(self, source: DeviceTensor) -> Array:
        return np.array(self.kernel_argument(source))

    def copy(self, source: DeviceTensor, target: DeviceTensor) -> None:
        self.kernel_argument(target)[...] = self.kernel_argument(source).reshape(target.shape)

    def kernel_argument(self, tensor: DeviceTensor) -> Array:
        memory = tensor.owner
        assert isinstance(memory, _Memory)
        start = tensor.address - memory.address
        view: Array = memory.bytes[start : start + tensor.nbytes].view(tensor.dtype).reshape(tensor.shape)
        return view


class _Memory(NamedTuple):
    """A block of memory, flat, and where it begins: numpy takes long to tell."""

    bytes: Array
    address: int
