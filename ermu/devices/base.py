"""A device: memory, copies and the order of work, whatever kind of processor does it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy.typing as npt

from ermu.closing import Closing
from ermu.devices.tensor import DeviceTensor
from ermu.types import Array


class Device(Closing, ABC):
    """Holds tensors and moves them; work given to it is done in order (one stream).

    Attributes:
        name: `cpu` or `cuda`.
        label: As messages name it.
        uploaded_bytes: Copied from the host so far.
        downloaded_bytes: Copied to the host so far.
    """

    name: str
    label = "CPU"
    uploaded_bytes = 0
    downloaded_bytes = 0

    @property
    def launches(self) -> int:
        """What was handed to a driver so far, copies, kernels and graphs of a library; 0 on the host."""
        return 0

    @abstractmethod
    def empty(self, shape: Sequence[int], dtype: npt.DTypeLike) -> DeviceTensor:
        """An uninitialised tensor, freed when nothing refers to it any more.

        Raises:
            BackendError: there is not enough memory.
        """

    @abstractmethod
    def upload(self, array: Array, target: DeviceTensor) -> None:
        """Host array into a tensor of the same shape; cast to its dtype."""

    @abstractmethod
    def download(self, source: DeviceTensor) -> Array:
        """A host copy of a tensor, once everything given to the device before is done."""

    @abstractmethod
    def copy(self, source: DeviceTensor, target: DeviceTensor) -> None:
        """Tensor to tensor of the same size."""

    @abstractmethod
    def kernel_argument(self, tensor: DeviceTensor) -> Any:
        """The tensor as this device's kernels take it, without copying: on the host a numpy view."""

    def synchronize(self) -> None:
        """Waits for everything given to the device."""
        return

    def memory(self) -> tuple[int, int] | None:
        """Free and total bytes of its memory, whoever uses it; None on the host. From any thread.

        Raises:
            BackendError: a fault has ended it.
            StateError: it is closed.
        """
        return None

    @property
    def lost(self) -> bool:
        """Whether a fault has ended it: nothing more can be done with it, nor with what lies on it."""
        return False

    def close(self) -> None:
        """Frees its memory; the device is not used again."""
        return

    def reset(self) -> None:
        """Closes it, and clears what a fault has left where that can be: a new one may then be opened."""
        self.close()
