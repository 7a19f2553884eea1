"""What a stream shows: a frame and what was found in it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

import cv2
import numpy as np

from ermu.runtime.results import FrameResult
from ermu.runtime.sources.base import Frame
from ermu.types import Image, LabelMap


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
