"""What can be said of the masks in a label map: areas, boxes, records."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ermu.runtime.images.run_lengths import coco_rle
from ermu.types import LabelMap, Mask

XYXY = tuple[int, int, int, int]
_IDS = 256


@dataclass(frozen=True)
class Extents:
    """Areas and boxes of every id in a label map.

    Attributes:
        areas: (256,) pixels by id.
        boxes: (256, 4) x0, y0, x1, y1 by id, x1 and y1 exclusive; meaningless where the area is 0.
    """

    areas: npt.NDArray[np.int64]
    boxes: npt.NDArray[np.int64]

    def box(self, object_id: int) -> XYXY | None:
        """(x0, y0, x1, y1) in pixels, x1 and y1 exclusive; None where the id has no pixel."""
        if not self.areas[object_id]:
            return None
        x0, y0, x1, y1 = map(int, self.boxes[object_id])
        return x0, y0, x1, y1


def extents(label: LabelMap) -> Extents:
    """Areas and boxes of every id at once, from runs of equal pixels in a row.

    Args:
        label: uint8 H x W.
    """
    begins = np.ones(label.shape, np.bool_)
    np.not_equal(label[:, 1:], label[:, :-1], out=begins[:, 1:])
    starts = np.flatnonzero(begins)
    ids, lengths = label.ravel()[starts], np.diff(starts, append=label.size)
    areas = np.bincount(ids, weights=lengths, minlength=_IDS).astype(np.int64)
    inside = ids > 0
    ids, starts, lengths = ids[inside], starts[inside], lengths[inside]
    y, x = np.divmod(starts, label.shape[1])
    boxes = np.empty((_IDS, 4), np.int64)
    boxes[:, :2], boxes[:, 2:] = label.size, 0
    for side, ends in ((0, x), (1, y)):
        np.minimum.at(boxes[:, side], ids, ends)
    for side, ends in ((2, x + lengths), (3, y + 1)):
        np.maximum.at(boxes[:, side], ids, ends)
    return Extents(areas, boxes)


def overlap(first: XYXY, second: XYXY) -> float:
    """Intersection over union of two boxes, x0, y0, x1, y1 with x1 and y1 exclusive."""
    width = min(first[2], second[2]) - max(first[0], second[0])
    height = min(first[3], second[3]) - max(first[1], second[1])
    shared = max(width, 0) * max(height, 0)
    both = sum((box[2] - box[0]) * (box[3] - box[1]) for box in (first, second))
    return shared / (both - shared) if both > shared else 0.0


def mask_record(mask: Mask) -> dict[str, Any]:
    """Area in pixels, box and run lengths of a mask.

    Args:
        mask: bool H x W.

    Returns:
        `area`; `box` as [x0, y0, x1, y1], x1 and y1 exclusive, or None where the mask is empty;
        `segmentation` as COCO's compressed run lengths.
    """
    found = extents(mask.view(np.uint8) if mask.flags.c_contiguous else mask.astype(np.uint8))
    box = found.box(1)
    return {
        "area": int(found.areas[1]),
        "box": None if box is None else list(box),
        "segmentation": coco_rle(mask),
    }
