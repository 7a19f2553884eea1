"""Two clips in one: the objects of the second laid over the first (`docs/spec/training.md`, 'Clips')."""

from __future__ import annotations

import numpy as np

from ermu.training.data.augmentation.published import LEAST_OBJECT_PIXELS
from ermu.training.data.clip import IDENTITIES
from ermu.training.data.sample import Sample, dense_ids
from ermu.training.learning.losses import IGNORE


def merged(rng: np.random.Generator, first: Sample, second: Sample) -> Sample:
    """Lays the second clip's objects over the first, frame by frame.

    Objects of at most 100 pixels in the merged first frame become background; of more than ten, ten stay.
    Pixels that either clip ignores, and that no object covers, are ignored.

    Args:
        rng: Decides which objects stay.
        first: T x S x S.
        second: Of the same size.
    """
    below, above = (dense_ids(rng, sample.labels, 0) for sample in (first, second))
    ignored = (below == IGNORE) | (above == IGNORE)
    below[below == IGNORE], above[above == IGNORE] = 0, 0
    covered = above > 0
    labels = np.where(covered, above + np.uint8(IDENTITIES - 1), below).astype(np.uint8)
    labels = dense_ids(rng, labels, LEAST_OBJECT_PIXELS)
    labels[ignored & (labels == 0)] = IGNORE
    return Sample(np.where(covered[..., None], second.frames, first.frames), labels)
