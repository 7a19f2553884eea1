"""The measures: region similarity J, boundary measure F, and their mean, recall and decay over a sequence."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

LabelMap = NDArray[np.uint8]
Mask = NDArray[np.bool_]

IGNORE = 255
BOUND = 0.008  # of the image's diagonal: how far a boundary may be off and still match
_RECALL_AT = 0.5
_BINS = 4


def object_count(first_annotation: LabelMap) -> int:
    """Returns the largest id of a first annotation, ignore pixels aside: objects are 1 to this number."""
    return int(np.where(first_annotation == IGNORE, 0, first_annotation).max(initial=0))


def region_similarities(annotation: LabelMap, result: LabelMap, objects: int) -> NDArray[np.float64]:
    """J of every object in one frame: intersection over union, 1 where both are empty.

    See `docs/spec/evaluation.md`, 'Measures'.

    Args:
        annotation: H x W uint8; 255 counts as background.
        result: H x W uint8; ids beyond `objects` are ignored.
        objects: Number of objects, ids 1..objects.

    Returns:
        float64 vector of length `objects`.
    """
    pairs = annotation.astype(np.int32) * 256 + result
    table = np.bincount(pairs.ravel(), minlength=256 * 256).reshape(256, 256)
    table[0] += table[IGNORE]
    table[IGNORE] = 0
    ids = np.arange(1, objects + 1)
    both = table[ids, ids]
    either = table[ids].sum(axis=1) + table[:, ids].sum(axis=0) - both
    return np.where(either == 0, 1.0, both / np.maximum(either, 1))


def boundary(mask: Mask) -> Mask:
    """Returns the boundary of a mask, one pixel wide, as DAVIS draws it.

    A pixel is on it where it differs from its right, lower or lower right neighbour; the last row and column
    are their own neighbours beyond the image.
    """
    padded = np.pad(mask, ((0, 1), (0, 1)), mode="edge")
    right, lower, diagonal = padded[:-1, 1:], padded[1:, :-1], padded[1:, 1:]
    return np.asarray((mask != right) | (mask != lower) | (mask != diagonal), np.bool_)


@lru_cache(maxsize=16)
def _disc(radius: int) -> NDArray[np.uint8]:
    axis = np.arange(-radius, radius + 1)
    return (axis[:, None] ** 2 + axis[None, :] ** 2 <= radius**2).astype(np.uint8)


def boundary_measure(annotation: Mask, result: Mask, bound: float = BOUND) -> float:
    """F of one object in one frame: the harmonic mean of the boundaries' precision and recall.

    Perazzi et al., "A Benchmark Dataset and Evaluation Methodology for Video Object Segmentation", CVPR 2016,
    with the morphological matching of the official code: a boundary pixel matches where the other has a
    pixel within ceil(bound * diagonal) of it.

    Args:
        annotation: H x W bool.
        result: H x W bool.
        bound: Tolerance as a share of the image's diagonal.
    """
    edges = [boundary(mask) for mask in (annotation, result)]
    counts = [int(edge.sum()) for edge in edges]
    if counts[0] == 0 or counts[1] == 0:
        return float(counts[0] == counts[1])
    disc = _disc(int(np.ceil(bound * np.hypot(*annotation.shape))))
    near = [cv2.dilate(edge.astype(np.uint8), disc) > 0 for edge in edges]
    precision = float((edges[1] & near[0]).sum() / counts[1])
    recall = float((edges[0] & near[1]).sum() / counts[0])
    return 2 * precision * recall / (precision + recall) if precision + recall > 0 else 0.0


def boundary_measures(annotation: LabelMap, result: LabelMap, objects: int) -> NDArray[np.float64]:
    """F of every object in one frame; arguments and result as for `region_similarities`."""
    ids = range(1, objects + 1)
    return np.array([boundary_measure(annotation == i, result == i) for i in ids], np.float64)


@dataclass(frozen=True)
class Statistics:
    """A measure over the frames of a sequence, for one object or averaged over several.

    Attributes:
        mean: Over the frames.
        recall: Share of the frames above 0.5.
        decay: Mean of the first quarter of the frames minus mean of the last.
    """

    mean: float
    recall: float
    decay: float


def statistics(values: NDArray[np.float64]) -> Statistics:
    """Mean, recall and decay of one object's values (at least one); bins as in `docs/spec/evaluation.md`."""
    edges = (np.round(np.linspace(1, len(values), _BINS + 1) + 1e-10) - 1).astype(int)
    first, last = (values[edges[i] : edges[i + 1] + 1] for i in (0, _BINS - 1))
    return Statistics(
        float(values.mean()), float((values > _RECALL_AT).mean()), float(first.mean() - last.mean())
    )


def last_quarter(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns the values that J_tr (`J_last`) is made of: those from floor(0.75 * count) on."""
    return values[int(0.75 * len(values)) :]
