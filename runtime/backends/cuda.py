"""Tensors in a GPU's memory."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import numpy as np
import numpy.typing as npt

from ermu.devices.cuda import CudaDevice
from ermu.runtime.backends.base import Array, Backend, DeviceTensor


class CudaBackend(Backend):
    """A backend whose tensors are device memory; its kernels take them by address.

    Attributes:
        cuda: The device, which counts what crosses to the host.
    """

    device = "cuda"

    def __init__(self) -> None:
        self.cuda = CudaDevice()

    def empty(self, shape: Sequence[int], dtype: npt.DTypeLike) -> DeviceTensor:
        kind = np.dtype(dtype)
        memory = self.cuda.allocate(prod(shape) * kind.itemsize)
        return DeviceTensor(memory.address, tuple(shape), kind, memory)

    def upload(self, array: Array, target: DeviceTensor) -> None:
        self.cuda.upload(array.astype(target.dtype, copy=False).reshape(target.shape), target.address)

    def download(self, source: DeviceTensor) -> Array:
        return self.cuda.download(source.address, source.shape, source.dtype)

    def copy(self, source: DeviceTensor, target: DeviceTensor) -> None:
        self.cuda.copy(source.address, target.address, target.nbytes)

    def for_kernels(self, tensor: DeviceTensor) -> DeviceTensor:
        """The tensor itself: CUDA kernels read `address`, `shape` and `dtype`."""
        return tensor

    def close(self) -> None:
        self.cuda.close()
