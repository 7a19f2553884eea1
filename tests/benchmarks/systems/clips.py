"""Frames and first label maps for other systems."""

from __future__ import annotations

import cv2
import numpy as np

from ermu.types import Image, LabelMap


def frames_of(count: int, hw: tuple[int, int]) -> list[Image]:
    """BGR frames of a picture that wanders to the right, with noise."""
    draw = np.random.default_rng(7)
    coarse = draw.integers(0, 256, (6, 8, 3), np.uint8)
    picture = cv2.resize(coarse, hw[::-1], interpolation=cv2.INTER_CUBIC).astype(np.int16)
    shifted = (np.roll(picture, 3 * i, 1) + draw.integers(-8, 9, picture.shape) for i in range(count))
    return [np.clip(frame, 0, 255).astype(np.uint8) for frame in shifted]


def label_of(hw: tuple[int, int]) -> LabelMap:
    """Objects 2 and 7, and a corner to ignore."""
    label = np.zeros(hw, np.uint8)
    height, width = hw
    label[height // 8 : height // 2, width // 8 : width // 2] = 2
    label[height // 2 :, width // 2 : -4] = 7
    label[:3, -3:] = 255
    return label
