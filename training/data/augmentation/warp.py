"""A clip from a single picture: every frame moved, turned, sheared and cropped anew."""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from ermu.training.data.augmentation.color import Jitter
from ermu.training.data.augmentation.published import PADDING
from ermu.training.data.sample import Sample, dense_ids

_DEGREES, _SHIFT, _SCALES, _SHEAR = 20.0, 0.1, (0.9, 1.1), 10.0
_JITTER = Jitter(0.1, 0.1, 0.1, 0.03)
_AREAS, _RATIOS, _CROP_TRIES = (0.8, 1.0), (3 / 4, 4 / 3), 10
_FIRST_FLIP, _LATER_FLIP = 0.5, 0.3

Pair = tuple[NDArray[np.uint8], NDArray[np.uint8]]


def warped(
    rng: np.random.Generator, picture: NDArray[np.uint8], mask: NDArray[np.uint8], frames: int, size: int
) -> Sample:
    """The clip of a picture (`docs/spec/training.md`, 'Clips').

    Args:
        rng: Decides everything.
        picture: H x W x 3, RGB.
        mask: H x W, ids or 255; ten of its objects at most are kept.
        frames: Of the clip; the first is not warped.
        size: Side of the clip.
    """
    start = _flipped(rng, (picture, mask), _FIRST_FLIP)
    cuts = []
    for frame in range(frames):
        image, label = _flipped(rng, start, _LATER_FLIP) if frame else start
        image = _JITTER.applied(rng, image)
        if frame:
            image, label = _moved((image, label), random_affine(rng, (label.shape[0], label.shape[1])))
        cuts.append(_cropped((image, label), random_crop(rng, (label.shape[0], label.shape[1])), size))
    labels = np.stack([label for _, label in cuts])
    return Sample(np.stack([image for image, _ in cuts]), dense_ids(rng, labels, 0))


def random_affine(rng: np.random.Generator, hw: tuple[int, int]) -> NDArray[np.float64]:
    """A random 2 x 3 matrix for pixels (x, y): sheared, scaled and turned about the middle, then shifted."""
    height, width = hw
    angle = math.radians(rng.uniform(-_DEGREES, _DEGREES))
    shift = [rng.uniform(-_SHIFT, _SHIFT) * side for side in (width, height)]
    scale = rng.uniform(*_SCALES)
    shear = math.tan(math.radians(rng.uniform(-_SHEAR, _SHEAR)))
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    linear = scale * turn @ np.array([[1.0, shear], [0.0, 1.0]])
    middle = np.array([(width - 1) / 2, (height - 1) / 2])
    return np.column_stack((linear, middle + shift - linear @ middle))


def random_crop(rng: np.random.Generator, hw: tuple[int, int]) -> tuple[slice, slice]:
    """Rows and columns of a window of 0.8 to 1 of the area at a ratio of 3/4 to 4/3; else the middle."""
    height, width = hw
    for _ in range(_CROP_TRIES):
        area = height * width * rng.uniform(*_AREAS)
        ratio = math.exp(rng.uniform(math.log(_RATIOS[0]), math.log(_RATIOS[1])))
        rows, columns = round(math.sqrt(area / ratio)), round(math.sqrt(area * ratio))
        if 0 < rows <= height and 0 < columns <= width:
            top, left = int(rng.integers(height - rows + 1)), int(rng.integers(width - columns + 1))
            return slice(top, top + rows), slice(left, left + columns)
    rows, columns = min(height, round(width / _RATIOS[0])), min(width, round(height * _RATIOS[1]))
    top, left = (height - rows) // 2, (width - columns) // 2
    return slice(top, top + rows), slice(left, left + columns)


def _flipped(rng: np.random.Generator, pair: Pair, chance: float) -> Pair:
    if rng.random() >= chance:
        return pair
    image, label = (np.ascontiguousarray(part[:, ::-1]) for part in pair)
    return image, label


def _moved(pair: Pair, matrix: NDArray[np.float64]) -> Pair:
    image, label = pair
    to = (label.shape[1], label.shape[0])
    moved = cv2.warpAffine(image, matrix, to, flags=cv2.INTER_CUBIC, borderValue=PADDING)
    mask = cv2.warpAffine(label, matrix, to, flags=cv2.INTER_NEAREST, borderValue=0)
    return moved.astype(np.uint8, copy=False), mask.astype(np.uint8, copy=False)


def _cropped(pair: Pair, window: tuple[slice, slice], size: int) -> Pair:
    image = cv2.resize(pair[0][window], (size, size), interpolation=cv2.INTER_CUBIC)
    label = cv2.resize(pair[1][window], (size, size), interpolation=cv2.INTER_NEAREST)
    return image.astype(np.uint8, copy=False), label.astype(np.uint8, copy=False)
