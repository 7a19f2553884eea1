"""Whose a pixel is, of any number of objects with logits of their own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import cv2
import numpy as np
import numpy.typing as npt

from ermu.runtime.memory.labelling import Probabilities
from ermu.types import Array, LabelMap

Single = npt.NDArray[np.float32]


def decided(logits: Array, ids: Sequence[int], source_hw: tuple[int, int]) -> LabelMap:
    """Per pixel the object whose logit is largest, if it is above 0; the first of equals.

    Args:
        logits: n x h4 x w4; enlarged bilinearly, borders on borders.
        ids: Of the n objects.
        source_hw: Height and width of the label map.
    """
    best, label = np.zeros(source_hw, np.float32), np.zeros(source_hw, np.uint8)
    for object_id, large in zip(ids, _enlarged(logits, source_hw), strict=True):
        above = large > best
        best[above], label[above] = large[above], object_id
    return label


def probabilities(logits: Array, ids: Sequence[int], source_hw: tuple[int, int]) -> Probabilities:
    """The softmax of the objects' logits and of a background whose logit is 0; arguments as `decided`."""
    values = np.zeros((1 + len(ids), *source_hw), np.float32)
    for value, large in zip(values[1:], _enlarged(logits, source_hw), strict=True):
        value[:] = large
    values -= values.max(axis=0)
    np.exp(values, out=values)
    values /= values.sum(axis=0)
    return Probabilities(values, np.array([0, *ids], np.uint8))


def _enlarged(logits: Array, source_hw: tuple[int, int]) -> Iterator[Single]:
    for each in logits:
        yield cv2.resize(each.astype(np.float32), source_hw[::-1], interpolation=cv2.INTER_LINEAR).astype(
            np.float32, copy=False
        )
