"""Frames of one video cut to squares, before clips are merged and ids shuffled; and their ids."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ermu.training.data.clip import IDENTITIES, Clip
from ermu.training.learning.losses import IGNORE

_MIN_OBJECT_PIXELS = 30


@dataclass(frozen=True)
class Sample:
    """A clip in the making.

    Attributes:
        frames: T x S x S x 3 uint8, RGB.
        labels: T x S x S uint8, ids of the source or 255.
    """

    frames: NDArray[np.uint8]
    labels: NDArray[np.uint8]

    def clip(self, rng: np.random.Generator) -> Clip:
        """The clip, with ids shuffled."""
        labels, alive = shuffled_ids(rng, self.labels)
        return Clip(np.ascontiguousarray(self.frames.transpose(0, 3, 1, 2)), labels, alive)

    @property
    def empty(self) -> bool:
        """Whether the first frame shows no object."""
        return not has_object(self.labels[0])


def has_object(label: NDArray[np.uint8]) -> bool:
    """Whether a label map has a pixel of an object."""
    return bool(((label > 0) & (label != IGNORE)).any())


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


def dense_ids(
    rng: np.random.Generator, labels: NDArray[np.uint8], least: int, most: int = IDENTITIES - 1
) -> NDArray[np.uint8]:
    """Renames the objects of a clip 1, 2, ... in the order of their ids; 255 stays 255.

    Args:
        rng: Decides who stays where there are too many.
        labels: T x H x W.
        least: Objects with at most so many pixels in the first frame become background.
        most: Objects that stay.
    """
    counts = np.bincount(labels[0].ravel(), minlength=256)
    present = np.array([i for i in range(1, IGNORE) if counts[i] > least], np.intp)
    if len(present) > most:
        present = np.sort(rng.permutation(present)[:most])
    table = np.zeros(256, np.uint8)
    table[IGNORE] = IGNORE
    table[present] = np.arange(1, len(present) + 1)
    return table[labels]
