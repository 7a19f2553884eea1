"""An object that is followed by itself: its memory, and what was found of it last."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ermu.runtime.images.labels import GROUP_SIZE
from ermu.runtime.memory.objects.bank import ObjectBank, Single
from ermu.runtime.memory.objects.choosing import Chooser
from ermu.runtime.memory.objects.clicks import Clicks
from ermu.runtime.memory.objects.graphs import Found, ObjectGraphs, Tensors
from ermu.runtime.memory.policy import Decision
from ermu.runtime.memory.update import MemoryUpdate
from ermu.runtime.timing.stopwatch import Stopwatch
from ermu.types import Array


@dataclass(frozen=True)
class TrackMemory:
    """All that is remembered of an object at a time; it goes on with another, so nothing changes it."""

    bank: ObjectBank
    last_append: float
    chooser: Chooser | None


@dataclass(frozen=True)
class SavedObject:
    """An object on the host: another one goes on with it as if it had never stopped.

    Attributes:
        number: Its own.
        id: The caller's.
        prompted: Frames with a prompt, ascending.
        remembered: The latest frames that were memory frames, ascending.
        last_append: When a frame went into the bank, in the units of the gap.
        frames: Of the memory frames, as they lie.
        pointer_frames: Of the pointers.
        memory: T x M x Cm.
        pointers: P x C.
        policy: What its policy keeps.
    """

    number: int
    id: int
    prompted: list[int]
    remembered: list[int]
    last_append: float
    frames: list[int]
    pointer_frames: list[int]
    memory: Array
    pointers: Array
    policy: dict[str, Any]


class TrackedObject:
    """One object.

    Args:
        graphs: Of its network.
        number: Of it, as a unit of the memories.
        object_id: The caller's.
        capacity: Of its bank.
        found: Room for what is found of it on the latest frame.
        chooser: Of its memory frames that leave; None, the oldest does.

    Attributes:
        bank: What is remembered of it.
        found: Of the latest frame.
    """

    def __init__(
        self,
        graphs: ObjectGraphs,
        number: int,
        object_id: int,
        capacity: int,
        found: Found,
        chooser: Chooser | None = None,
    ) -> None:
        self._graphs, self.number, self.object_id = graphs, number, object_id
        self.bank, self.found = graphs.new_bank(capacity), found
        self.last_append = 0.0
        self.choose_by(chooser)

    @property
    def memory(self) -> TrackMemory:
        """All that is remembered of it."""
        return TrackMemory(self.bank, self.last_append, self._chooser)

    def restore(self, memory: TrackMemory) -> None:
        """Remembers again what it did before a correction."""
        self.bank, self.last_append, self._chooser = memory.bank, memory.last_append, memory.chooser

    def choose_by(self, chooser: Chooser | None) -> None:
        """Lets memory frames leave by another policy; what the old one had gathered is forgotten."""
        self._chooser = chooser
        self.bank.score(chooser is not None)

    def saved(self) -> SavedObject:
        """All of it; corrections that could be undone are not."""
        bank = self.bank
        return SavedObject(
            self.number,
            self.object_id,
            list(bank.prompted),
            list(bank.remembered),
            self.last_append,
            list(bank.memory.frames),
            list(bank.pointers.frames),
            bank.memory.downloaded(),
            bank.pointers.downloaded(),
            self._chooser.state() if self._chooser else {},
        )

    def resume(self, saved: SavedObject) -> None:
        """Goes on where another object was; this one is new.

        Raises:
            ValueError: it is not what such an object would remember.
        """
        self.bank.memory.fill(saved.frames, saved.memory)
        self.bank.pointers.fill(saved.pointer_frames, saved.pointers)
        self.bank.resume(saved.prompted, saved.remembered)
        self.last_append = saved.last_append
        if self._chooser:
            self._chooser.resume(saved.policy)

    def segment(self, features: Tensors, i: int = 0) -> None:
        """Finds it on a frame by what is remembered of it, of whose age `ObjectGraphs.place` has been told.

        Args:
            features: Of the frame.
            i: Its place among those that are found.
        """
        self._graphs.recall(features, self.bank, i)
        self._graphs.segment(features, self.found)

    def label(self, features: Tensors, mask: Single, frame: int, clock: float, found: Found) -> list[int]:
        """Takes a mask of it, at network size, for where it is, and remembers the frame for good.

        Args:
            features: Of the frame.
            mask: H x W of 0 and 1 at network size, with at least a pixel.
            frame: The frame's number.
            clock: When the latest frame was, in the units of the gap.
            found: Written: what the mask says.

        Returns:
            The memory frames that left.
        """
        self._graphs.label(features, mask, found)
        return self.prompt(features, mask, frame, clock, found)

    def prompt(self, features: Tensors, mask: Single, frame: int, clock: float, found: Found) -> list[int]:
        """Remembers a frame with a prompt, of which `found` is known; otherwise as `label`."""
        self._graphs.memorize_prompt(features, mask, found)
        self.last_append = clock
        return self.bank.prompt(frame, self._graphs.entry, found.pointer)

    def correct(
        self, features: Tensors, mask: Single, frame: int, clock: float, latest: int, found: Found
    ) -> TrackMemory:
        """As `label`, of a mask that was not what had been found: what nobody has vouched for is forgotten.

        What is remembered of the latest frame stays for `segment_again`, which takes its place.

        Args:
            features: Of the corrected frame.
            mask: H x W of 0 and 1 at network size, with at least a pixel.
            frame: The corrected frame's number.
            clock: When the latest frame was, in the units of the gap.
            latest: That frame's number.
            found: Written: what the mask says.

        Returns:
            The memory as it was, for `restore`.

        Raises:
            BackendError: there is not enough memory; the object's is as it was.
        """
        before = self._forgetful(latest)
        try:
            self.label(features, mask, frame, clock, found)
        except BaseException:
            self.restore(before)
            raise
        return before

    def correct_at(
        self, features: Tensors, mask: Single, frame: int, clock: float, latest: int, found: Found
    ) -> TrackMemory:
        """As `correct`, of a frame of which clicks have said what is in `found`, and thereby the mask."""
        before = self._forgetful(latest)
        try:
            self.prompt(features, mask, frame, clock, found)
        except BaseException:
            self.restore(before)
            raise
        return before

    def click(self, features: Tensors, clicks: Clicks, frame: int, found: Found) -> None:
        """Finds it on a frame by clicks, and by what is remembered of it from earlier ones."""
        earlier = self.bank.before(frame)
        if earlier.frames:
            self._graphs.place([earlier], frame)
            self._graphs.recall(features, earlier, 0)
        else:
            self._graphs.begin(features)
        self._graphs.click(features, clicks, found)

    def remember(
        self, features: Tensors, frame: int, clock: float, interval: float, watch: Stopwatch
    ) -> MemoryUpdate:
        """Remembers the latest frame as it was found there: its pointer, and where due a memory frame."""
        due = self._due(clock, interval)
        with watch("memorize"):
            self.bank.point(frame, self.found.pointer)
            if due:
                self._graphs.memorize(features, self.found)
        return self._append(features, self.found, frame, clock, watch) if due else self.updated([])

    def remember_absence(
        self, features: Tensors, frame: int, clock: float, interval: float, watch: Stopwatch
    ) -> MemoryUpdate:
        """Remembers that it is not on the latest frame, whatever was found there."""
        nowhere, found = np.zeros(self._graphs.hw, np.float32), self._graphs.aside
        due = self._due(clock, interval)
        with watch("memorize"):
            self._graphs.label(features, nowhere, found)
            self.bank.point(frame, found.pointer)
            if due:
                self._graphs.memorize_prompt(features, nowhere, found)
        return self._append(features, found, frame, clock, watch) if due else self.updated([])

    def segment_again(self, features: Tensors, frame: int) -> None:
        """Finds it on the latest frame once more, and remembers that in place of what was found before.

        A frame with a prompt says where it is, whatever else is remembered.
        """
        if frame in self.bank.prompted:
            return
        was_held = frame in self.bank.memory.frames
        self.bank.forget(frame)
        self._graphs.place([self.bank], frame)
        self.segment(features)
        self.bank.point(frame, self.found.pointer)
        if was_held:
            self._graphs.memorize(features, self.found)
            self.bank.append(frame, self._graphs.entry)

    def updated(self, left: Sequence[int], decision: Decision | None = None) -> MemoryUpdate:
        """Its memory as it is, after frames have left."""
        evicted = left[0] if left else None
        return MemoryUpdate(self.number, [self.object_id], self.bank.frames, evicted, decision or Decision())

    def _forgetful(self, latest: int) -> TrackMemory:
        """Forgets what nobody has vouched for, but the latest frame; returns the memory as it was."""
        before, bank = self.memory, self.bank.copied()
        bank.keep_prompted(latest)
        self.bank = bank
        self._chooser = self._chooser and self._chooser.copied()
        return before

    def _due(self, clock: float, interval: float) -> bool:
        return clock - self.last_append >= interval - 1e-6

    def _append(
        self, features: Tensors, found: Found, frame: int, clock: float, watch: Stopwatch
    ) -> MemoryUpdate:
        decision, leaves = Decision(), None
        if self._chooser:
            with watch("score"):
                decision = self._chooser.decide(self.bank, features, found.logits, frame)
            leaves = None if decision.slot is None else self.bank.memory.frames[decision.slot]
        self.last_append = clock
        with watch("memorize"):
            left = self.bank.append(frame, self._graphs.entry, leaves)
        return self.updated(left, decision)


@dataclass(frozen=True)
class TenObjects:
    """Up to ten objects whose logits lie side by side: `ermu.runtime.memory.labelling.Channels`."""

    ids: Sequence[int]

    @property
    def channel_ids(self) -> list[int | None]:
        """The caller's ids of its ten channels."""
        return [*self.ids, *[None] * (GROUP_SIZE - len(self.ids))]

    @property
    def active(self) -> npt.NDArray[np.bool_]:
        """Channels in use, background first."""
        return np.arange(1 + GROUP_SIZE) <= len(self.ids)
