"""Draws a label map over its frame."""

from __future__ import annotations

import cv2
import numpy as np

from ermu.runtime.images.view_colours import VIEW_COLOURS
from ermu.types import LabelMap

_BGR = np.ascontiguousarray(VIEW_COLOURS[:, ::-1])
_DARK = 20


def draw_overlay(frame: LabelMap, label: LabelMap, *, opacity: float = 0.4) -> LabelMap:
    """The frame with every object tinted in its colour, with an outline of it in a dark one.

    Args:
        frame: BGR uint8 H x W x 3.
        label: uint8 H x W.
        opacity: Of the tint, 0 to 1.
    """
    tinted = cv2.addWeighted(frame, 1 - opacity, _BGR[label], opacity, 0)
    painted = label > 0
    out = np.where(painted[..., None], tinted, frame)
    edge = cv2.morphologyEx(label, cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8)) > 0
    out[edge & painted] = _BGR[label[edge & painted]]
    out[edge & ~painted] = _DARK
    return out.astype(np.uint8, copy=False)
