"""What may be asked of a running stream, from any thread; its worker does it between two frames."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np

from ermu.runtime.images.prompter import Box, Point, Prompter
from ermu.runtime.streams.command_queue import CommandQueue
from ermu.runtime.streams.segmented_frame import SegmentedFrame
from ermu.runtime.streams.tracker import Tracker
from ermu.types import LabelMap

T = TypeVar("T")


class Steering:
    """Commands to a stream's worker.

    Args:
        tracker: Of the stream.
        prompter: Turns boxes and clicks into masks.
    """

    def __init__(self, tracker: Tracker, prompter: Prompter) -> None:
        self.tracker, self._prompter = tracker, prompter
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
        picture = self.tracker.picture(frame)
        if isinstance(hint, np.ndarray):
            return self._ask(lambda: self.tracker.add(hint, picture, name))
        mask = (
            self._prompter.from_box(picture.image, hint)
            if isinstance(hint, Box)
            else self._prompter.from_points(picture.image, hint)
        )

        def add() -> list[int]:
            label = np.where(mask, self.tracker.objects.next_id(), 0).astype(np.uint8)
            return self.tracker.add(label, picture, name)

        return self._ask(add)

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

    def _ask(self, action: Callable[[], T]) -> T:
        """Has the worker do something between two frames, and waits for it."""
        return self._commands.ask(action)
