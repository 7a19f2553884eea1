"""Where graphs run and tensors live: the interface that every backend fills."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import prod
from types import TracebackType
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ermu.kernels.base.attention import Attention
from ermu.kernels.base.identity import IdentityEmbedding
from ermu.runtime.bundle.manifest import TensorInfo

if TYPE_CHECKING:
    from typing_extensions import Self

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class DeviceTensor:
    """A dense tensor at a fixed address on a backend's device.

    Attributes:
        address: Of the first element.
        shape: In elements.
        dtype: numpy dtype.
        owner: Keeps the memory alive.
    """

    address: int
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    owner: object = field(repr=False)

    @property
    def nbytes(self) -> int:
        return prod(self.shape) * self.dtype.itemsize

    def first(self, count: int) -> DeviceTensor:
        """The first `count` entries of the leading axis, in place."""
        return DeviceTensor(self.address, (count, *self.shape[1:]), self.dtype, self.owner)

    def at(self, index: int) -> DeviceTensor:
        """Entry `index` of the leading axis, in place."""
        entry = DeviceTensor(self.address, self.shape[1:], self.dtype, self.owner)
        return DeviceTensor(self.address + index * entry.nbytes, entry.shape, self.dtype, self.owner)


class Backend(ABC):
    """Runs a bundle's graphs on tensors that it allocated; nothing is copied unless asked for."""

    device: str
    attention: Attention | None = None  # reads the memories where `propagate` is open in parts
    recall_precision = "fp32"  # of that attention
    identity: IdentityEmbedding | None = None  # embeds label maps where `memorize` takes tokens

    @abstractmethod
    def empty(self, shape: Sequence[int], dtype: npt.DTypeLike) -> DeviceTensor:
        """An uninitialised tensor."""

    @abstractmethod
    def upload(self, array: Array, target: DeviceTensor) -> None:
        """Host array into a tensor of the same shape and dtype."""

    @abstractmethod
    def download(self, source: DeviceTensor) -> Array:
        """A host copy of a tensor."""

    @abstractmethod
    def copy(self, source: DeviceTensor, target: DeviceTensor) -> None:
        """Tensor to tensor of the same size, on the device."""

    @abstractmethod
    def for_kernels(self, tensor: DeviceTensor) -> Any:
        """The tensor as this device's `Kernels` take it, without copying."""

    @abstractmethod
    def run(
        self, graph: str, inputs: Mapping[str, DeviceTensor], outputs: Mapping[str, DeviceTensor]
    ) -> None:
        """Runs a graph, reading and writing the given tensors in place.

        Raises:
            BackendError: the device refused.
        """

    def close(self) -> None:  # noqa: B027  a backend that holds nothing need not say so
        """Releases sessions and device memory."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def allocate(self, tensors: Sequence[TensorInfo], symbols: Mapping[str, int]) -> dict[str, DeviceTensor]:
        """One tensor for each description, symbols replaced by their values."""
        return {t.name: self.empty(resolve(t.shape, symbols), t.dtype) for t in tensors}


def resolve(shape: Sequence[int | str], symbols: Mapping[str, int]) -> tuple[int, ...]:
    """A symbolic shape in numbers."""
    return tuple(symbols[s] if isinstance(s, str) else s for s in shape)
