"""What is held of several frames, side by side as graphs read it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import count

import numpy.typing as npt

from ermu.devices.base import Device
from ermu.devices.tensor import DeviceTensor
from ermu.types import Array

_STAMPS = count()


class Slots:
    """Tensors of one shape, one a frame, without gaps; in no order.

    Args:
        device: Where they lie.
        shape: Of each.
        dtype: Of all.
        room: For how many.

    Attributes:
        frames: Whose they are, in the order in which they lie.
        stamps: A number for each, which no other content of any slot has or had.
    """

    def __init__(self, device: Device, shape: Sequence[int], dtype: npt.DTypeLike, room: int) -> None:
        self._device = device
        self._buffer = device.empty((room, *shape), dtype)
        self.frames: list[int] = []
        self.stamps: list[int] = []

    def __len__(self) -> int:
        return len(self.frames)

    @property
    def held(self) -> DeviceTensor:
        """All of them, n x ..."""
        return self._buffer.first(len(self.frames))

    def write(self, frame: int, tensor: DeviceTensor, *, over: Collection[int] = ()) -> None:
        """Holds a copy of a frame's tensor, in place of what was held of that frame; there must be room.

        Args:
            frame: Its number.
            tensor: Copied.
            over: Frames that leave: one of them makes place for this one, so that a steady stream's slots are
                written over in turns, and nothing else is moved.
        """
        held = [each for each in over if each in self.frames and each != frame]
        if frame not in self.frames and held:
            self.frames[self.frames.index(held.pop(0))] = frame
        self.keep(set(self.frames) - set(held))
        if frame not in self.frames:
            assert len(self.frames) < self._buffer.shape[0], "no slot is free"
            self.frames.append(frame)
            self.stamps.append(-1)
        slot = self.frames.index(frame)
        self.stamps[slot] = next(_STAMPS)
        self._device.copy(tensor, self._buffer.at(slot))

    def keep(self, frames: Collection[int]) -> None:
        """Holds those of these frames alone; the last fills the place of one that goes."""
        for frame in [frame for frame in self.frames if frame not in frames]:
            slot, last = self.frames.index(frame), len(self.frames) - 1
            if slot != last:
                self._device.copy(self._buffer.at(last), self._buffer.at(slot))
                self.frames[slot], self.stamps[slot] = self.frames[last], self.stamps[last]
            self.frames.pop()
            self.stamps.pop()

    def fill(self, frames: Sequence[int], tensors: Array) -> None:
        """Holds the tensors of these frames, n x ..., in this order.

        Raises:
            ValueError: there is no room for them, or a frame comes twice.
        """
        if len(frames) > self._buffer.shape[0] or len(set(frames)) != len(frames):
            raise ValueError(f"frames {list(frames)} do not fit {self._buffer.shape[0]} slots")
        self.frames, self.stamps = list(frames), [next(_STAMPS) for _ in frames]
        self._device.upload(tensors, self.held)

    def downloaded(self) -> Array:
        """All of them on the host, n x ..."""
        return self._device.download(self.held)

    def copied(self) -> Slots:
        """The same tensors in memory of their own.

        Raises:
            BackendError: there is not enough memory.
        """
        copy = Slots(self._device, self._buffer.shape[1:], self._buffer.dtype, self._buffer.shape[0])
        copy.frames, copy.stamps = list(self.frames), list(self.stamps)
        if copy.frames:
            self._device.copy(self.held, copy.held)
        return copy
