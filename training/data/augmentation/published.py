"""The published augmentations v1 and v2 of video clips (`docs/spec/training.md`, 'Clips')."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from ermu.training.data.augmentation.color import Distortion, Jitter
from ermu.training.data.augmentation.window import SCALES
from ermu.training.data.sample import Sample, dense_ids, has_object

PADDING = (124, 116, 104)  # the mean colour of ImageNet
LEAST_OBJECT_PIXELS = 100
V2 = Distortion(Jitter(0.4, 0.4, 0.2, 0.1), 0.8, 0.2, 0.3, (0.1, 2.0))
_SHORT_EDGE, _CROP = 480, 465
_CROP_TRIES = 5


def augmented(
    rng: np.random.Generator,
    frames: list[NDArray[np.uint8]],
    labels: list[NDArray[np.uint8]],
    size: int,
    distortion: Distortion | None = None,
) -> Sample:
    """Resizes all frames alike, crops one window that shows an object, flips it half of the time, pads it.

    Objects of at most 100 pixels in the first frame's window become background, and of more than ten, ten
    stay. Cubic overshoot is clipped and rounded, for clips are bytes.

    Args:
        rng: Decides everything.
        frames: H x W x 3, RGB.
        labels: H x W, ids or 255.
        size: Side of the clip.
        distortion: What happens to each frame's colours.
    """
    to = _scaled(rng, labels[0].shape, size)
    maps = np.stack([cv2.resize(label, to, interpolation=cv2.INTER_NEAREST) for label in labels])
    window, kept = _window(rng, maps.astype(np.uint8, copy=False), size)
    pictures = [cv2.resize(frame, to, interpolation=cv2.INTER_CUBIC)[window] for frame in frames]
    flipped = rng.random() < 0.5
    before = [int(rng.integers(size - side + 1)) for side in kept.shape[1:]]
    whole = Sample(
        np.full((len(frames), size, size, 3), PADDING, np.uint8),
        np.zeros((len(frames), size, size), np.uint8),
    )
    inside = tuple(slice(start, start + side) for start, side in zip(before, kept.shape[1:], strict=True))
    whole.labels[:, inside[0], inside[1]] = kept[:, :, ::-1] if flipped else kept
    for target, cut in zip(whole.frames, pictures, strict=True):
        picture = cut.astype(np.uint8, copy=False)
        picture = picture if distortion is None else distortion.applied(rng, picture)
        target[inside] = picture[:, ::-1] if flipped else picture
    return whole


def _scaled(rng: np.random.Generator, hw: tuple[int, ...], size: int) -> tuple[int, int]:
    """Width and height at a random scale; the short edge of the published crop, or in its proportion."""
    short = _SHORT_EDGE * (size // 16 * 16 + 1) / _CROP
    scale = short * rng.uniform(*SCALES) / min(hw)
    return max(1, round(hw[1] * scale)), max(1, round(hw[0] * scale))


def _window(
    rng: np.random.Generator, labels: NDArray[np.uint8], size: int
) -> tuple[tuple[slice, slice], NDArray[np.uint8]]:
    """The first of some windows with an object in its first frame, else the last; and the labels in it."""
    height, width = (min(size, side) for side in labels.shape[1:])
    for _ in range(_CROP_TRIES):
        top = int(rng.integers(labels.shape[1] - height + 1))
        left = int(rng.integers(labels.shape[2] - width + 1))
        window = (slice(top, top + height), slice(left, left + width))
        kept = dense_ids(rng, labels[:, window[0], window[1]], LEAST_OBJECT_PIXELS)
        if has_object(kept[0]):
            break
    return window, kept
