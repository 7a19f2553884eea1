"""What may be asked of a running stream, from any thread; its worker does it between two frames."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np

from ermu.errors import PromptError
from ermu.runtime.detections import NEW, Detection, Intake, mask_of
from ermu.runtime.images.prompter import Box, GrabCutPrompter, Point, Prompter
from ermu.runtime.results import Sighting
from ermu.runtime.streams.object_registry import check_name
from ermu.runtime.streams.segmented_frame import SegmentedFrame
from ermu.runtime.streams.tracker import Tracker, no_frame
from ermu.runtime.streams.work.command_queue import CommandQueue
from ermu.types import LabelMap, Mask

T = TypeVar("T")


class Steering:
    """Commands to a stream's worker.

    Args:
        tracker: Of the stream.
        prompter: Turns boxes and clicks into masks; None, the network where it takes them, else GrabCut.
    """

    def __init__(self, tracker: Tracker, prompter: Prompter | None) -> None:
        self.tracker, self._prompter = tracker, prompter or GrabCutPrompter()
        self._asks_network = prompter is None and tracker.segmenter.takes_clicks
        self._commands = CommandQueue()

    def add_objects(
        self,
        hint: LabelMap | Box | Sequence[Point],
        *,
        name: str | None = None,
        frame: int | None = None,
    ) -> list[int]:
        """Follows new objects from now on.

        Args:
            hint: A label map (uint8 H x W; its ids must be free), a box around one object, or points on one.
            name: Of the object.
            frame: Number of the frame that the hint belongs to: the latest (default), or a `snapshot`'s.

        Returns:
            The new ids, which stay theirs.

        Raises:
            PromptError: there is no frame yet, the hint does not fit it, or an id is in use.
        """
        drawn_on = self._recent(frame)
        if isinstance(hint, np.ndarray):
            return self._ask(lambda: self.tracker.add(hint, drawn_on, name))
        if self._asks_network:
            return self._ask(lambda: self.tracker.add_at(hint, drawn_on, name))
        mask = (
            self._prompter.from_box(drawn_on.frame.image, hint)
            if isinstance(hint, Box)
            else self._prompter.from_points(drawn_on.frame.image, hint)
        )

        def add() -> list[int]:
            label = np.where(mask, self.tracker.objects.next_id(), 0).astype(np.uint8)
            return self.tracker.add(label, drawn_on, name)

        return self._ask(add)

    def add_detections(
        self,
        detections: Sequence[Detection],
        *,
        mode: str = NEW,
        every: int = 1,
        overlap: float = 0.3,
        frame: int | None = None,
    ) -> list[int | None] | None:
        """Follows what a detector has found, or what of it is new.

        Args:
            detections: Of one frame.
            mode: `new`, `first` or `all`, as of `Intake`.
            every: Frames from one call that is heeded to the next: a caller may give every frame's.
            overlap: Intersection over union of boxes from which a detection is no new object.
            frame: Number of the frame that they were found on: the latest (default), or a `snapshot`'s.

        Returns:
            The id under which each is followed, an object's that was there before among them; None where it
            was left out: because no pixel of it is in the frame, or for want of ids. None in place of the
            list where none was looked at: the call came too early (`every`), or something is followed
            already (`first`).

        Raises:
            PromptError: there is no frame yet, a mask does not fit it, or a name will not do.
            OptionError: a choice is unknown or a number out of its range.
        """
        for detection in detections:
            if detection.name is not None:
                check_name(detection.name)
        intake, drawn_on = Intake(mode, every, overlap), self._recent(frame)
        if not self.tracker.heeds(intake, drawn_on):
            return None
        found = intake.match(detections, self.tracker.held(drawn_on))
        asked = {i: each for i, each in enumerate(detections) if found[i] == -1 - i}
        boxes = {i: each.box for i, each in asked.items() if each.mask is None and self._asks_network}
        image, from_box = drawn_on.frame.image, self._prompter.from_box
        masks = {i: mask_of(each, image, from_box) for i, each in asked.items() if i not in boxes}

        def add() -> list[int | None] | None:
            every = {**masks, **self.tracker.box_masks(boxes, drawn_on)} if boxes else masks
            return self.tracker.add_detections(detections, every, drawn_on, intake)

        return self._ask(add)

    def refine_object(
        self,
        object_id: int,
        hint: Mask | LabelMap | Box | Sequence[Point],
        *,
        frame: int | None = None,
    ) -> Sighting:
        """Corrects an object that is followed: what it remembers since it went wrong is replaced.

        Args:
            object_id: Of the object.
            hint: Its mask (H x W; what is not 0 is the object), a box around it, or points that change the
                mask it has: positive ones lie on it, negative ones do not. A box and points have to find
                something: where they do not, its memory is as it was.
            frame: Number of the frame that the hint belongs to: the latest (default), or a `snapshot`'s.

        Returns:
            What is known of it now.

        Raises:
            PromptError: there is no such object or frame, the hint does not fit it, nothing in the box
                stands out, or the points change nothing.
        """
        self.tracker.objects.known(object_id)
        drawn_on = self._recent(frame)
        if self._asks_network and not isinstance(hint, np.ndarray):
            points = hint
            return self._ask(lambda: self._refined_at(object_id, points, drawn_on))
        if isinstance(hint, np.ndarray):
            mask: Mask = hint != 0
        elif isinstance(hint, Box) and object_id not in self.tracker.segmenter.ids:  # begins again, as if new
            mask = self._prompter.from_box(drawn_on.frame.image, hint)
        else:
            before = drawn_on.result.label == object_id
            mask = self._prompter.corrected(drawn_on.frame.image, before, hint)
            if not isinstance(hint, Box) and np.array_equal(mask, before):
                raise PromptError(
                    f"The points change nothing of object {object_id}: it lies as they say.",
                    fix="click where it is missing or does not belong, or draw a box around it",
                )

        def refine() -> Sighting:
            self.tracker.refine(object_id, mask, drawn_on)
            return self.tracker.objects.known(object_id)

        return self._ask(refine)

    def undo(self, object_id: int) -> Sighting:
        """Takes the latest correction of an object back.

        Returns:
            What is known of it now.

        Raises:
            PromptError: the object is not followed.
            StateError: there is nothing to undo; see `Segmenter.undo`.
        """

        def undo() -> Sighting:
            self.tracker.undo(object_id)
            return self.tracker.objects.known(object_id)

        return self._ask(undo)

    def remove_objects(self, ids: Sequence[int]) -> None:
        """Forgets objects: they appear nowhere from now on.

        Raises:
            PromptError: an id is not followed; then nothing is removed.
        """
        self._ask(lambda: self.tracker.remove(ids))

    def rename_object(self, object_id: int, name: str) -> None:
        """Changes an object's name.

        Raises:
            PromptError: there is no such object.
        """
        self._ask(lambda: self.tracker.objects.rename(object_id, name))

    def reset(self) -> None:
        """Forgets every object and memory; the stream goes on with none."""
        self._ask(self.tracker.reset)

    def switch_policy(self, policy: str) -> None:
        """Changes the eviction policy.

        Raises:
            OptionError: no policy has that name, or the memory has outgrown it.
        """
        self._ask(lambda: self.tracker.segmenter.switch_policy(policy))

    def snapshot(self) -> SegmentedFrame | None:
        """The latest frame, kept for a while so that somebody may draw on it at leisure."""
        return self.tracker.snapshot()

    @property
    def trouble(self) -> str | None:
        """Why there is no picture, or an old one; None where all is well, or it is not known."""
        return None

    def _recent(self, frame: int | None) -> SegmentedFrame:
        """A recent frame, to draw on; default, the latest.

        Raises:
            PromptError: there is none, and why.
        """
        if self.tracker.latest is None and self.trouble:
            raise no_frame(self.trouble)
        return self.tracker.recent(frame)

    def _ask(self, action: Callable[[], T]) -> T:
        """Has the worker do something between two frames, and waits for it."""
        return self._commands.ask(action)

    def _refined_at(self, object_id: int, hint: Box | Sequence[Point], drawn_on: SegmentedFrame) -> Sighting:
        self.tracker.refine_at(object_id, hint, drawn_on)
        return self.tracker.objects.known(object_id)
