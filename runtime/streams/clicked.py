"""Objects of a stream by clicks and boxes, where the network itself takes them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ermu.errors import PromptError
from ermu.runtime.images.masks import extents
from ermu.runtime.images.prompter import Box, Point
from ermu.runtime.results import FrameResult
from ermu.runtime.segmenter import Segmenter
from ermu.runtime.sources.base import Frame
from ermu.runtime.streams.live_options import LiveOptions
from ermu.runtime.streams.object_registry import ObjectRegistry, check_name
from ermu.runtime.streams.segmented_frame import SegmentedFrame
from ermu.types import Image, LabelMap, Mask

Hint = Box | Sequence[Point]


class ClickTracking(ABC):
    """The part of a `Tracker` that asks the network where an object is; used by the worker alone."""

    segmenter: Segmenter
    objects: ObjectRegistry
    _options: LiveOptions

    def add_at(self, hint: Hint, drawn_on: SegmentedFrame, name: str | None) -> list[int]:
        """Follows a new object, clicked on in a recent frame; returns its id."""
        if name is not None:
            check_name(name)
        picture, object_id = self._clicked_on(drawn_on), self.objects.next_id()
        if self._options.on_add == "restart":
            mask = self.segmenter.mask_at(hint, frame=picture)
            return self.add(np.where(mask, object_id, 0).astype(np.uint8), drawn_on, name)
        latest = self.shown()
        clicked = self.segmenter.add_object_at(
            object_id, hint, frame=picture, number=drawn_on.result.frame, time=latest.frame.time
        )
        drawn = extents(np.where(clicked.mask, object_id, 0).astype(np.uint8))
        frame, time = latest.result.frame, latest.frame.time
        self.objects.add([object_id], frame=frame, time=time, name=name, drawn=drawn)
        if picture is None:
            self._show(clicked.result)
        self._note_memory()
        return [object_id]

    def refine_at(self, object_id: int, hint: Hint, drawn_on: SegmentedFrame) -> None:
        """Corrects an object by clicks on a recent frame; one that lost its memory gets one again."""
        picture, latest = self._clicked_on(drawn_on), self.shown()
        if object_id not in self.segmenter.ids:
            mask = self.segmenter.mask_at(hint, frame=picture)
            self.refine(object_id, mask, drawn_on)
            return
        result = None if picture is None else self._as_known(drawn_on).result
        refined = self.segmenter.refine_at(
            object_id, hint, frame=picture, result=result, time=latest.frame.time
        )
        self._correct_recent(object_id, refined.mask, drawn_on)
        self._show(refined.result)
        self._note_memory()

    def box_masks(self, boxes: dict[int, Box], drawn_on: SegmentedFrame) -> dict[int, Mask | None]:
        """What the network sees in boxes on a recent frame, by their number; None where that is nothing."""
        picture = self._clicked_on(drawn_on)
        return {i: self._seen_in(box, picture) for i, box in boxes.items()}

    def _first_at(self, frame: Frame, hints: Sequence[Box | Point], result: FrameResult) -> FrameResult:
        """Follows the objects of hints, numbered from 1, from a stream's first frame on."""
        for object_id, hint in enumerate(hints, start=1):
            points = hint if isinstance(hint, Box) else [hint]
            added = self.segmenter.add_object_at(object_id, points, time=frame.time).result
            result = replace(result, label=added.label, memory=added.memory, objects=added.objects)
        self.objects.add(self.segmenter.ids, frame=0, time=frame.time)
        return result

    def _seen_in(self, box: Box, picture: Image | None) -> Mask | None:
        try:
            return self.segmenter.mask_at(box, frame=picture)
        except PromptError:  # outside the frame, or nothing is seen in it: detectors report such
            return None

    def _clicked_on(self, drawn_on: SegmentedFrame) -> Image | None:
        """A recent frame's picture; None of the latest."""
        latest = self.shown()
        if drawn_on.frame.shape != latest.frame.shape:
            raise PromptError("The picture has changed its size since.", fix="draw again")
        return None if drawn_on.result.frame == latest.result.frame else drawn_on.frame.image

    @abstractmethod
    def add(self, label: LabelMap, drawn_on: SegmentedFrame, name: str | None) -> list[int]:
        """Follows new objects, drawn on a recent frame; returns their ids."""

    @abstractmethod
    def refine(self, object_id: int, mask: Mask, drawn_on: SegmentedFrame) -> None:
        """Corrects an object by its mask on a recent frame."""

    @abstractmethod
    def shown(self) -> SegmentedFrame:
        """The latest frame, where there is one."""

    @abstractmethod
    def _as_known(self, drawn_on: SegmentedFrame) -> SegmentedFrame:
        """A frame with what is known of it now."""

    @abstractmethod
    def _correct_recent(self, object_id: int, mask: Mask, drawn_on: SegmentedFrame) -> None:
        """Notes where an object is on a recent frame."""

    @abstractmethod
    def _show(self, added: FrameResult) -> None:
        """Puts what was drawn on the latest frame on show at once, not with the next frame."""

    @abstractmethod
    def _note_memory(self) -> None:
        """Brings the history up to date between two frames."""
