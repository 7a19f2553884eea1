"""Where the memory frames of several banks lie side by side, as the graphs read them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy.typing as npt

from ermu.devices.base import Device
from ermu.devices.tensor import DeviceTensor

Contents = Mapping[str, tuple[tuple[int, ...], npt.DTypeLike]]


class Slots:
    """G rows of T slots, one buffer a tensor, G x T x ...: dense, however many of them are in use.

    One more slot moves the rows apart, in place. That happens until banks are full; what it copies is less
    than what a frame reads.

    Args:
        device: Holds the buffers.
        contents: Of a slot: by name, shape and dtype.
        rows: G, one a bank.
        room: Slots a row to allocate; more are allocated when these are used up.

    Attributes:
        rows: As above.
        held: T, in every row alike.
        room: As above.
    """

    def __init__(self, device: Device, contents: Contents, rows: int, room: int) -> None:
        self._device, self._contents = device, contents
        self.rows, self.held, self.room = rows, 0, room
        self._buffers = self._allocated(room)

    def tensors(self) -> dict[str, DeviceTensor]:
        """By name, the slots in use, G x T x ...."""
        return self._spread(self.held)

    def row(self, row: int) -> dict[str, DeviceTensor]:
        """By name, the slots in use of one bank, T x ...."""
        return {name: tensor.at(row) for name, tensor in self.tensors().items()}

    def hold(self, slots: int) -> None:
        """As many slots in use in every row; new ones hold anything. A single row may have fewer than before.

        Raises:
            BackendError: there is not enough memory; nothing has changed.
        """
        if slots > self.room:
            self._enlarge(max(slots, 2 * self.room))
        before, after = self.tensors(), self._spread(slots)
        moves = [(row, slot) for row in range(1, self.rows) for slot in range(self.held)]
        for name in self._contents if slots > self.held else ():
            for row, slot in reversed(moves):  # the last first: none lands on one that has still to move
                self._device.copy(before[name].at(row).at(slot), after[name].at(row).at(slot))
        self.held = slots

    def keep(self, rows: Sequence[int]) -> None:
        """Forgets the other rows; these, ascending, move together."""
        for tensor in self.tensors().values():
            for target, row in enumerate(rows):
                if target != row:
                    self._device.copy(tensor.at(row), tensor.at(target))
        self.rows = len(rows)

    def copied(self, rows: Sequence[int]) -> Slots:
        """Some rows by themselves, with as much room.

        Raises:
            BackendError: there is not enough memory.
        """
        apart = Slots(self._device, self._contents, len(rows), self.room)
        apart.hold(self.held)
        for name, tensor in self.tensors().items():
            for target, row in enumerate(rows):
                self._device.copy(tensor.at(row), apart.tensors()[name].at(target))
        return apart

    def _spread(self, slots: int) -> dict[str, DeviceTensor]:
        return {
            name: self._buffers[name].part(0, (self.rows, slots, *shape), dtype)
            for name, (shape, dtype) in self._contents.items()
        }

    def _allocated(self, room: int) -> dict[str, DeviceTensor]:
        return {
            name: self._device.empty((self.rows, room, *shape), dtype)
            for name, (shape, dtype) in self._contents.items()
        }

    def _enlarge(self, room: int) -> None:
        larger, held = self._allocated(room), self.tensors()
        for name, tensor in held.items():
            self._device.copy(tensor, larger[name].part(0, tensor.shape, tensor.dtype))
        self._buffers, self.room = larger, room
