"""The plain augmentation: one window for all frames, at a random scale, flipped half of the time."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from ermu.training.data.sample import Sample
from ermu.training.learning.losses import IGNORE

SCALES = (0.7, 1.3)
_WINDOW_TRIES = 8


def augmented(
    rng: np.random.Generator, frames: list[NDArray[np.uint8]], labels: list[NDArray[np.uint8]], size: int
) -> Sample:
    """Cuts one window at a random scale from all frames, flips it half of the time.

    Args:
        rng: Decides everything.
        frames: H x W x 3, RGB.
        labels: H x W, ids or 255.
        size: Side of the clip.
    """
    window = _window(rng, labels[0], size)
    flipped = rng.random() < 0.5
    return Sample(
        np.stack([_cut(frame, window, size, flipped, cv2.INTER_LINEAR) for frame in frames]),
        np.stack([_cut(label, window, size, flipped, cv2.INTER_NEAREST) for label in labels]),
    )


def _window(rng: np.random.Generator, label: NDArray[np.uint8], size: int) -> tuple[int, int, int]:
    """Top, left and side of a window; the first of some draws that shows an object well, else the last."""
    objects = (label > 0) & (label != IGNORE)
    side = min(round(size / rng.uniform(*SCALES)), *label.shape)
    top = left = 0
    for _ in range(_WINDOW_TRIES):
        top = int(rng.integers(0, label.shape[0] - side + 1))
        left = int(rng.integers(0, label.shape[1] - side + 1))
        if objects[top : top + side, left : left + side].mean() > 0.02:
            break
    return top, left, side


def _cut(
    image: NDArray[np.uint8], window: tuple[int, int, int], size: int, flipped: bool, interpolation: int
) -> NDArray[np.uint8]:
    top, left, side = window
    cut = image[top : top + side, left : left + side]
    if side != size:
        cut = cv2.resize(cut, (size, size), interpolation=interpolation).astype(np.uint8, copy=False)
    return cut[:, ::-1] if flipped else cut
