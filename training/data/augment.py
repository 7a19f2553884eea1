"""How a training clip is drawn from a video: which frames, which window, which ids."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from ermu.training.data.clip import IDENTITIES, Clip
from ermu.training.learning.losses import IGNORE

SCALES = (0.7, 1.3)
_MIN_OBJECT_PIXELS = 30
_WINDOW_TRIES = 8


def frame_indices(rng: np.random.Generator, available: int, count: int, max_gap: int) -> list[int]:
    """Draws the frames of a clip: a random gap, up to `max_gap`, before each; reversed half of the time.

    A video too short for the gaps drawn is walked with smaller ones, back and forth if it must be.
    """
    gaps = rng.integers(1, max_gap + 1, size=count - 1)
    while gaps.sum() > available - 1 and gaps.max(initial=1) > 1:
        gaps = np.maximum(gaps - 1, 1)
    start = int(rng.integers(0, max(1, available - gaps.sum())))
    steps = start + np.concatenate(([0], np.cumsum(gaps)))
    if rng.random() < 0.5:
        steps = steps[::-1]
    period = max(1, 2 * (available - 1))
    folded = steps % period
    return [int(i) for i in np.minimum(folded, period - folded)]


def augmented(
    rng: np.random.Generator, frames: list[NDArray[np.uint8]], labels: list[NDArray[np.uint8]], size: int
) -> Clip:
    """Cuts one window at a random scale from all frames, flips it half of the time and shuffles the ids.

    Args:
        rng: Decides everything.
        frames: H x W x 3, RGB.
        labels: H x W, ids or 255; at most ten different ids in the first frame are kept.
        size: Side of the clip.
    """
    window = _window(rng, labels[0], size)
    flipped = rng.random() < 0.5
    pictures = np.stack([_cut(frame, window, size, flipped, cv2.INTER_LINEAR) for frame in frames])
    maps = np.stack([_cut(label, window, size, flipped, cv2.INTER_NEAREST) for label in labels])
    maps, alive = shuffled_ids(rng, maps)
    return Clip(np.ascontiguousarray(pictures.transpose(0, 3, 1, 2)), maps, alive)


def shuffled_ids(
    rng: np.random.Generator, labels: NDArray[np.uint8]
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Gives the first frame's objects random ids of 1..10; what is not in that frame becomes background.

    Args:
        rng: Decides the ids.
        labels: T x H x W.

    Returns:
        The labels, and which of the 11 ids are alive.
    """
    counts = np.bincount(labels[0].ravel(), minlength=256)
    present = [i for i in range(1, IGNORE) if counts[i] >= _MIN_OBJECT_PIXELS]
    fresh = rng.permutation(np.arange(1, IDENTITIES))
    table = np.zeros(256, np.uint8)
    table[IGNORE] = IGNORE
    alive = np.zeros(IDENTITIES, np.bool_)
    alive[0] = True
    for old, new in zip(rng.permutation(present), fresh, strict=False):
        table[int(old)] = new
        alive[new] = True
    return table[labels], alive


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
