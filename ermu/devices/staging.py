"""Pinned host memory that copies go through, so that they are asynchronous and the caller's array is free."""

from __future__ import annotations

from typing import Any

import numpy as np

from ermu.types import Array

LEAST_BYTES = 4096
MOST_IN_FLIGHT = 4  # of a size, before a copy waits for an earlier one


class Pinned:
    """A block of pinned memory, and the event that says when the last upload has left it.

    Attributes:
        memory: uint8.
        copied: Recorded after an upload.
    """

    def __init__(self, driver: Any, nbytes: int) -> None:
        self.memory: Array = driver.pagelocked_empty(nbytes, np.uint8)
        self.copied = driver.Event()


class Staging:
    """Blocks by size, which are powers of two so that there are few; a device's context must be current.

    Args:
        driver: pycuda's module.
    """

    def __init__(self, driver: Any) -> None:
        self._driver = driver
        self._blocks: dict[int, list[Pinned]] = {}

    def take(self, nbytes: int) -> Pinned:
        """A block of at least that size that no upload is under way from; waits only where many are."""
        size = 1 << max(nbytes - 1, LEAST_BYTES - 1).bit_length()
        blocks = self._blocks.setdefault(size, [])
        idle = next((block for block in blocks if block.copied.query()), None)
        if idle is None and len(blocks) < MOST_IN_FLIGHT:
            idle = Pinned(self._driver, size)
        elif idle is None:
            idle = blocks[0]
            idle.copied.synchronize()
        self._blocks[size] = [*(block for block in blocks if block is not idle), idle]
        return idle

    def clear(self) -> None:
        """Frees every block."""
        for blocks in self._blocks.values():
            blocks.clear()  # whoever failed in `take` may hold the list
        self._blocks.clear()
