"""A tensor at a fixed address on a device."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class DeviceTensor:
    """A dense row-major tensor.

    Attributes:
        address: Of the first element.
        shape: In elements.
        dtype: numpy dtype.
        owner: Keeps the memory alive.
    """

    address: int
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    owner: object = field(repr=False, compare=False)

    @property
    def nbytes(self) -> int:
        """Bytes from `address` on."""
        return prod(self.shape) * self.dtype.itemsize

    def first(self, count: int) -> DeviceTensor:
        """The first `count` entries of the leading axis, in place."""
        return DeviceTensor(self.address, (count, *self.shape[1:]), self.dtype, self.owner)

    def span(self, begin: int, count: int) -> DeviceTensor:
        """`count` entries of the leading axis from `begin` on, in place."""
        address = self.address + begin * prod(self.shape[1:]) * self.dtype.itemsize
        return DeviceTensor(address, (count, *self.shape[1:]), self.dtype, self.owner)

    def at(self, index: int) -> DeviceTensor:
        """Entry `index` of the leading axis, in place."""
        shape = self.shape[1:]
        address = self.address + index * prod(shape) * self.dtype.itemsize
        return DeviceTensor(address, shape, self.dtype, self.owner)

    def reshaped(self, *shape: int) -> DeviceTensor:
        """The same elements in another shape."""
        assert prod(shape) == prod(self.shape), f"{self.shape} does not fill {shape}"
        return DeviceTensor(self.address, shape, self.dtype, self.owner)

    def part(self, offset: int, shape: tuple[int, ...], dtype: npt.DTypeLike) -> DeviceTensor:
        """A tensor of its own within this one's memory, `offset` bytes from its begin."""
        part = DeviceTensor(self.address + offset, shape, np.dtype(dtype), self.owner)
        assert offset + part.nbytes <= self.nbytes, f"{part} at {offset} is not within {self}"
        return part
