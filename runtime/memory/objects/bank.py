"""What is remembered of one object: memory frames, and pointers of the frames before."""

from __future__ import annotations

from bisect import insort
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ermu.devices.tensor import DeviceTensor
from ermu.runtime.memory.objects.slots import Slots

LATEST_PROMPTED = 7  # frames with a prompt that are kept beside the first: upstream keeps all of them

Single = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Limits:
    """How much is remembered of an object.

    Attributes:
        capacity: Memory frames without a prompt, and one.
        most_pointers: Pointers of frames without a prompt, and one.
    """

    capacity: int
    most_pointers: int

    @property
    def memory_room(self) -> int:
        """Memory frames at most."""
        return 1 + LATEST_PROMPTED + self.capacity - 1

    @property
    def pointer_room(self) -> int:
        """Pointers at most."""
        return 1 + LATEST_PROMPTED + self.most_pointers - 1

    @property
    def settled(self) -> int:
        """Frames, of which each is remembered and the first has a prompt, until no more are held."""
        return max(self.capacity, self.most_pointers)


class ObjectBank:
    """An object's memory frames and pointers; a frame with a prompt stays, one of the others leaves.

    The first frame with a prompt stays for good, and of the others of its kind the latest few. Of frames
    without a prompt, those stay that are among the latest `capacity - 1` remembered ones; or, in a bank that
    is `scored`, up to `capacity - 1` until somebody says which of them leaves.

    Args:
        memory: Empty, with room for `limits.memory_room`.
        pointers: Empty, with room for `limits.pointer_room`.
        limits: How much is remembered.

    Attributes:
        memory: Of each memory frame.
        pointers: Of each frame that has one.
        prompted: Frames with a prompt, ascending.
        remembered: The latest frames that were, or are, memory frames, ascending: by them ages are counted.
            In a bank that is `scored`, the memory frames without a prompt.
        scored: Whether frames leave by what somebody makes of them, not by age.
    """

    def __init__(self, memory: Slots, pointers: Slots, limits: Limits, *, scored: bool = False) -> None:
        self.memory, self.pointers, self._limits, self.scored = memory, pointers, limits, scored
        self.prompted: list[int] = []
        self.remembered: list[int] = []

    @property
    def frames(self) -> list[int]:
        """Memory frames, oldest first."""
        return sorted(self.memory.frames)

    def prompt(self, frame: int, entry: DeviceTensor, pointer: DeviceTensor) -> list[int]:
        """Remembers a frame with a prompt.

        Args:
            frame: Its number.
            entry: What is to be remembered of it.
            pointer: Of it.

        Returns:
            The memory frames that left.
        """
        if frame not in self.prompted:
            insort(self.prompted, frame)
            del self.prompted[1:-LATEST_PROMPTED]
        left = self._write(frame, entry)
        self.point(frame, pointer)
        return left

    @property
    def length(self) -> int:
        """Memory frames without a prompt, and one, as the capacity counts them."""
        return 1 + len(set(self.memory.frames) - set(self.prompted))

    @property
    def full(self) -> bool:
        """Whether a frame without a prompt leaves for the next one, in a bank that is `scored`."""
        return len(self.remembered) >= self._limits.capacity - 1

    def append(self, frame: int, entry: DeviceTensor, leaves: int | None = None) -> list[int]:
        """Remembers a frame without a prompt.

        Args:
            frame: Its number.
            entry: What is to be remembered of it.
            leaves: The frame without a prompt that goes, in a bank that is `scored` and `full`.

        Returns:
            The memory frames that left.
        """
        if leaves is not None:
            self.remembered.remove(leaves)
        return self._write(frame, entry)

    def score(self, scored: bool) -> None:
        """Lets frames leave by what somebody makes of them, or by age, from now on; none leaves yet."""
        if scored != self.scored:
            self.remembered = [f for f in self.frames if f not in self.prompted]
        self.scored = scored

    def point(self, frame: int, pointer: DeviceTensor) -> None:
        """Takes the pointer of a frame, with or without a prompt, remembered or not."""
        first = frame + 2 - self._limits.most_pointers  # younger than most_pointers on the next frame
        left = sorted(f for f in self.pointers.frames if f not in self.prompted and f < first)
        self.pointers.write(frame, pointer, over=left)

    def forget(self, frame: int) -> None:
        """Forgets a frame without a prompt, as if it had not been yet."""
        if frame not in self.prompted:
            self.memory.keep(set(self.memory.frames) - {frame})
            self.pointers.keep(set(self.pointers.frames) - {frame})
            self.remembered = [f for f in self.remembered if f != frame]

    def keep_prompted(self, latest: int) -> None:
        """Forgets every frame without a prompt but the latest, of that number."""
        kept = {*self.prompted, latest}
        self.memory.keep(kept)
        self.pointers.keep(kept)
        if self.scored:
            self.remembered = [f for f in self.remembered if f in kept]

    def before(self, frame: int) -> ObjectBank:
        """What was known of the object before a frame, as far as it is remembered still; a copy.

        Raises:
            BackendError: there is not enough memory.
        """
        copy = self.copied()
        for slots in (copy.memory, copy.pointers):
            slots.keep([f for f in slots.frames if f < frame])
        copy.prompted = [f for f in copy.prompted if f < frame]
        copy.remembered = [f for f in copy.remembered if f < frame]
        return copy

    def rows(self, table: Single) -> Single:
        """The row of each memory frame by its age, T x Cm, as the frames lie.

        The last of the table for a frame with a prompt; else the one of its place among remembered frames,
        counted back from the newest.
        """
        return table[[len(table) - 1 if f in self.prompted else self._age(f) - 1 for f in self.memory.frames]]

    def pointer_ages(self, frame: int) -> Single:
        """Frames since each pointer's, P, as they lie.

        Args:
            frame: Number of the current one.
        """
        return np.asarray([frame - f for f in self.pointers.frames], np.float32)

    def copied(self) -> ObjectBank:
        """The same in memory of its own.

        Raises:
            BackendError: there is not enough memory.
        """
        copy = ObjectBank(self.memory.copied(), self.pointers.copied(), self._limits, scored=self.scored)
        copy.prompted, copy.remembered = list(self.prompted), list(self.remembered)
        return copy

    def resume(self, prompted: Sequence[int], remembered: Sequence[int]) -> None:
        """Goes on with slots that have been filled.

        Raises:
            ValueError: they are not what such a bank would hold.
        """
        self.prompted, self.remembered = list(prompted), list(remembered)
        for numbers in (self.prompted, self.remembered):
            if numbers != sorted(set(numbers)):
                raise ValueError(f"frames {numbers} are not in order")
        held = set(self.memory.frames)
        if not set(self.prompted) <= held & set(self.pointers.frames):
            raise ValueError(f"of the frames with a prompt, {self.prompted}, one is not held")
        if len(self.prompted) > 1 + LATEST_PROMPTED or len(self.remembered) > self._limits.capacity:
            raise ValueError("more frames are known than are held")
        others = held - set(self.prompted)
        if self.scored and others != set(self.remembered):
            raise ValueError(f"frames without a prompt are {sorted(others)}, not {self.remembered}")
        if any(self._age(frame) >= self._limits.capacity for frame in others):
            raise ValueError(f"the frames {sorted(held)} are more than the capacity")

    def _write(self, frame: int, entry: DeviceTensor) -> list[int]:
        """Counts a memory frame in, and holds it unless it is too old; those that leave for it are gone."""
        if self.scored:
            self.remembered = sorted({*self.remembered, frame} - set(self.prompted))
            del self.remembered[: 1 - self._limits.capacity]
        elif frame not in self.remembered:
            insort(self.remembered, frame)
            del self.remembered[: -self._limits.capacity]
        left = sorted(f for f in self.memory.frames if not self._stays(f))
        if self._stays(frame):
            self.memory.write(frame, entry, over=left)
        else:
            self.memory.keep(set(self.memory.frames) - set(left))
        return left

    def _stays(self, frame: int) -> bool:
        if self.scored:
            return frame in self.prompted or frame in self.remembered
        return frame in self.prompted or self._age(frame) < self._limits.capacity

    def _age(self, frame: int) -> int:
        """Its place among remembered frames, from the newest, which is 1."""
        return 1 + sum(f > frame for f in self.remembered)
