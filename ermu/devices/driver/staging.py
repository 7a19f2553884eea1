"""Pinned host memory that copies go through, so that they are asynchronous and the caller's array is free."""

from __future__ import annotations

import ctypes

import numpy as np

from ermu.devices.driver.library import call, created, is_done
from ermu.types import Array

LEAST_BYTES = 4096
MOST_IN_FLIGHT = 4  # of a size, before a copy waits for an earlier one
_TIMELESS, _MAPPED = 2, 2  # CU_EVENT_DISABLE_TIMING, CU_MEMHOSTALLOC_DEVICEMAP


class Pinned:
    """A block of pinned memory that kernels can reach; a device's context must be current.

    Args:
        nbytes: Its size.

    Attributes:
        address: On the host.
        memory: uint8; not to be touched once it is freed.
    """

    def __init__(self, nbytes: int) -> None:
        self.address = created("cuMemHostAlloc", nbytes, _MAPPED)
        held = memoryview((ctypes.c_uint8 * nbytes).from_address(self.address))
        self.memory: Array = np.frombuffer(held, np.uint8)

    def device_address(self) -> int:
        """Where kernels find it."""
        return created("cuMemHostGetDevicePointer_v2", self.address, 0)

    def free(self) -> None:
        """Gives it back."""
        call("cuMemFreeHost", self.address)


class _Block(Pinned):
    """With the event that says when the last upload has left it."""

    def __init__(self, nbytes: int) -> None:
        super().__init__(nbytes)
        self.copied = created("cuEventCreate", _TIMELESS)

    def free(self) -> None:
        call("cuEventDestroy_v2", self.copied)
        super().free()


class Staging:
    """Blocks by size, which are powers of two so that there are few; a device's context must be current."""

    def __init__(self) -> None:
        self._blocks: dict[int, list[_Block]] = {}

    def take(self, nbytes: int) -> _Block:
        """A block of at least that size that no upload is under way from; waits only where many are."""
        size = 1 << max(nbytes - 1, LEAST_BYTES - 1).bit_length()
        blocks = self._blocks.setdefault(size, [])
        idle = next((block for block in blocks if is_done("cuEventQuery", block.copied)), None)
        if idle is None and len(blocks) < MOST_IN_FLIGHT:
            idle = _Block(size)
        elif idle is None:
            idle = blocks[0]
            call("cuEventSynchronize", idle.copied)
        self._blocks[size] = [*(block for block in blocks if block is not idle), idle]
        return idle

    def take_all(self) -> list[Pinned]:
        """Takes out every block; the caller frees them."""
        taken = [block for blocks in self._blocks.values() for block in blocks]
        self._blocks.clear()
        return list(taken)
