"""From a mask to one polygon through the centres of its outermost pixels, and back."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from ermu.types import Mask

Points = npt.NDArray[Any]  # (n, 2), x and y of pixels


def outline(mask: Mask) -> Points:
    """One polygon around a mask: drawn with its edges, by the even-odd rule, it gives the mask again.

    Holes are reached by an edge there and back, inside of the mask. So are further parts, where the edge adds
    a line a pixel wide between them.

    Args:
        mask: bool H x W, not empty.
    """
    found, _ = cv2.findContours(mask.view(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    rest = [contour.reshape(-1, 2) for contour in sorted(found, key=len, reverse=True)]
    path = rest.pop(0)
    while rest:
        steps = [_nearest(path, contour) for contour in rest]
        _, at, there = step = min(steps)
        contour = rest.pop(steps.index(step))
        path = np.concatenate([path[: at + 1], contour[there:], contour[: there + 1], path[at:]])
    return _simplified(path)


def filled(points: npt.NDArray[Any], hw: tuple[int, int]) -> Mask:
    """The pixels of a polygon, its edges included.

    Args:
        points: (n, 2), x and y in pixels, 0, 0 the corner of the first one.
        hw: Height and width.
    """
    canvas = np.zeros(hw, np.uint8)
    corners = np.clip(np.floor(points), 0, np.array(hw[::-1]) - 1).astype(np.int32)
    cv2.fillPoly(canvas, [corners], (1,))
    mask: Mask = canvas.view(bool)
    return mask


def _nearest(path: Points, contour: Points) -> tuple[float, int, int]:
    """Least squared distance of two contours, and the places of the two points that have it."""
    least = (np.inf, 0, 0)
    for at, point in enumerate(contour):
        away = ((path - point) ** 2).sum(1)
        place = int(away.argmin())
        least = min(least, (float(away[place]), place, at))
    return least


def _simplified(path: Points) -> Points:
    """Without the points between two others on a straight line."""
    before, after = path - np.roll(path, 1, 0), np.roll(path, -1, 0) - path
    return path[(before != after).any(1)] if len(path) > 2 and (before != after).any() else path
