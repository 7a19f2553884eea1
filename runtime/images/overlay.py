"""Draws a label map over its frame."""

from __future__ import annotations

import cv2
import numpy as np

from ermu.runtime.images.palette import PALETTE
from ermu.types import LabelMap

_BGR = np.ascontiguousarray(PALETTE[:, ::-1])


def draw_overlay(frame: LabelMap, label: LabelMap, *, opacity: float = 0.5) -> LabelMap:
    """The frame with every object tinted in its palette colour and outlined.

    Args:
        frame: BGR uint8 H x W x 3.
        label: uint8 H x W.
        opacity: Of the tint, 0 to 1.
    """
    tinted = cv2.addWeighted(frame, 1 - opacity, _BGR[label], opacity, 0)
    painted = label > 0
    out = np.where(painted[..., None], tinted, frame)
    edge = cv2.morphologyEx(label, cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8)) > 0
    out[edge & painted] = 255
    return out.astype(np.uint8, copy=False)
