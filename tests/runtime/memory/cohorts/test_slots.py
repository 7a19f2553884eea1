"""Slots of banks side by side, against lists of arrays."""

from __future__ import annotations

import numpy as np
import pytest

from ermu.devices.host import HostDevice
from ermu.runtime.memory.cohorts.slots import Slots

SHAPE = (2, 3)


class _Listed:
    """The same rows as lists of arrays, and what is written goes to both."""

    def __init__(self, rows: int, room: int) -> None:
        self.device, self.random = HostDevice(), np.random.default_rng(rows)
        self.slots = Slots(self.device, {"key": (SHAPE, np.float32), "row": ((1,), np.float32)}, rows, room)
        self.rows: list[list[dict[str, np.ndarray]]] = [[] for _ in range(rows)]

    def write(self, row: int, slot: int) -> None:
        drawn = {"key": self.random.random(SHAPE, np.float32), "row": self.random.random(1, np.float32)}
        self.rows[row][slot : slot + 1] = [drawn]
        for name, values in drawn.items():
            self.device.upload(values, self.slots.row(row)[name].at(slot))

    def fill(self, slots: int) -> None:
        """One slot after another, in every row."""
        for slot in range(self.slots.held, slots):
            self.slots.hold(slot + 1)
            for row in range(len(self.rows)):
                self.write(row, slot)

    def check(self) -> None:
        for name, tensor in self.slots.tensors().items():
            wanted = np.array([[slot[name] for slot in row] for row in self.rows])
            np.testing.assert_array_equal(self.device.download(tensor), wanted)


@pytest.mark.parametrize("rows", [1, 2, 5])
def test_rows_are_dense_at_every_length(rows):
    """Three slots have room at first, so that seven need two larger buffers."""
    listed = _Listed(rows, 3)
    for slots in range(1, 8):
        listed.fill(slots)
        listed.check()
    assert listed.slots.room >= 7
    for row in range(rows):
        listed.write(row, row)
    listed.check()


@pytest.mark.parametrize("kept", [[0, 1, 3, 4], [1, 2], [4], []])
def test_rows_that_stay_move_together(kept):
    listed = _Listed(5, 4)
    listed.fill(3)
    listed.slots.keep(kept)
    listed.rows = [listed.rows[row] for row in kept]
    if kept:
        listed.check()
        listed.fill(6)
        listed.check()
    assert listed.slots.rows == len(kept)


def test_copied_rows_are_nobody_elses():
    listed = _Listed(3, 4)
    listed.fill(2)
    apart = listed.slots.copied([1, 2])
    wanted = [[slot["key"].copy() for slot in row] for row in listed.rows[1:]]
    for row in range(3):
        listed.write(row, 0)
    listed.fill(4)
    assert (apart.rows, apart.held, apart.room) == (2, 2, 4)
    np.testing.assert_array_equal(listed.device.download(apart.tensors()["key"]), wanted)
