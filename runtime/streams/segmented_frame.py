"""What a stream shows: a frame and what was found in it."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection
from dataclasses import dataclass, replace

import cv2
import numpy as np

from ermu.runtime.memory.correction import UNDOABLE
from ermu.runtime.results import FrameResult
from ermu.runtime.sources.base import Frame
from ermu.types import Image, LabelMap

_KEPT = 4


@dataclass(frozen=True)
class SegmentedFrame:
    """A stream's latest frame with its result: held, not made up, while the stream is stale."""

    frame: Frame
    result: FrameResult

    def without(self, ids: Collection[int]) -> SegmentedFrame:
        """The same with objects taken off the label map."""
        label = np.where(np.isin(self.result.label, list(ids)), 0, self.result.label).astype(np.uint8)
        objects = tuple(sighting for sighting in self.result.objects if sighting.id not in ids)
        return SegmentedFrame(self.frame, replace(self.result, label=label, objects=objects))

    def label_at(self, image: Image, ids: Collection[int]) -> LabelMap:
        """The label map of some objects at the size of another frame."""
        label = np.where(np.isin(self.result.label, list(ids)), self.result.label, 0).astype(np.uint8)
        size = image.shape[1], image.shape[0]
        resized: LabelMap = cv2.resize(label, size, interpolation=cv2.INTER_NEAREST).astype(
            np.uint8, copy=False
        )
        return resized


class RecentFrames:
    """The latest frames that somebody has looked at, to be drawn on, with what was found in them."""

    def __init__(self) -> None:
        self._kept: deque[SegmentedFrame] = deque(maxlen=_KEPT)
        self._corrected: deque[tuple[int, SegmentedFrame]] = deque(maxlen=UNDOABLE)

    def keep(self, shown: SegmentedFrame) -> None:
        """Takes a frame in, once."""
        if self.get(shown.result.frame) is None:
            self._kept.append(shown)

    def get(self, number: int) -> SegmentedFrame | None:
        """The frame of a number, if it is kept."""
        return next((kept for kept in list(self._kept) if kept.result.frame == number), None)

    def correct(self, object_id: int, before: SegmentedFrame, label: LabelMap) -> None:
        """Changes what was found in a frame, where it is kept, until it is undone."""
        self._corrected.append((object_id, before))
        self._put(SegmentedFrame(before.frame, replace(before.result, label=label)))

    def undo(self, object_id: int) -> None:
        """Takes back the latest correction of an object, if it is one of the few that are known."""
        own = [i for i, (corrected, _) in enumerate(self._corrected) if corrected == object_id]
        if own:
            self._put(self._corrected[own[-1]][1])
            del self._corrected[own[-1]]

    def _put(self, shown: SegmentedFrame) -> None:
        number = shown.result.frame
        kept = (shown if each.result.frame == number else each for each in list(self._kept))
        self._kept = deque(kept, maxlen=_KEPT)
