"""What the CUDA kernels need of a device: memory, copies, launches; tests provide one made of CPU fibers."""

from __future__ import annotations

import ctypes
from abc import ABC, abstractmethod
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from ermu.errors import KernelError

ALIGNMENT = 16  # bytes; the kernels load four numbers at a time


@dataclass(frozen=True)
class DeviceArray:
    """A dense row-major array on the device.

    Attributes:
        address: device pointer of the first element.
        shape: as numpy's.
        dtype: as numpy's.
        owner: keeps the memory alive; None where somebody else does.
    """

    address: int
    shape: tuple[int, ...]
    dtype: np.dtype[np.generic]
    owner: object = field(default=None, repr=False, compare=False)

    @property
    def nbytes(self) -> int:
        """Bytes from `address` on."""
        return int(np.prod(self.shape)) * self.dtype.itemsize


class Device(ABC):
    """Memory and launches of one device, in one stream."""

    @abstractmethod
    def empty(self, shape: tuple[int, ...], dtype: npt.DTypeLike) -> DeviceArray:
        """Memory with undefined contents, aligned to at least 16 bytes."""

    @abstractmethod
    def upload(self, array: npt.NDArray[np.generic]) -> DeviceArray:
        """A device copy of `array`."""

    @abstractmethod
    def download(self, array: DeviceArray) -> npt.NDArray[np.generic]:
        """A host copy of `array`, once everything launched before has finished."""

    @abstractmethod
    def launch(
        self, kernel: str, grid: tuple[int, int, int], block: tuple[int, int, int], params: ctypes.Structure
    ) -> None:
        """Starts a kernel whose only argument is `params` by value.

        Raises:
            KernelError: the kernel is unknown, or the device refused or failed the launch.
        """

    def hold(self, name: str, tensor: object) -> DeviceArray:
        """`tensor` on the device: as it is where it has an `address`, else uploaded.

        Raises:
            KernelError: the address is null or not aligned to 16 bytes.
        """
        if isinstance(tensor, np.ndarray):
            return self.upload(np.ascontiguousarray(tensor))
        address, shape = getattr(tensor, "address", None), getattr(tensor, "shape", None)
        if not isinstance(address, int) or shape is None:
            raise KernelError(
                f"{name} is a {type(tensor).__name__}.",
                expected="a numpy array, or a device tensor with an address",
            )
        if address == 0 or address % ALIGNMENT:
            raise KernelError(
                f"{name} begins at address {address:#x}.",
                expected=f"a device pointer aligned to {ALIGNMENT} bytes",
            )
        return DeviceArray(address, tuple(shape), np.dtype(getattr(tensor, "dtype")), owner=tensor)  # noqa: B009
