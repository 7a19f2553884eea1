"""What can be said of one object's mask."""

from __future__ import annotations

import cv2
import numpy as np

from ermu.types import LabelMap, Mask


def bounding_box(mask: Mask) -> list[int]:
    """[x, y, width, height] of a mask that is not empty."""
    as_bytes: LabelMap = mask.view(np.uint8) if mask.flags.c_contiguous else mask.astype(np.uint8)
    return [int(side) for side in cv2.boundingRect(as_bytes)]
