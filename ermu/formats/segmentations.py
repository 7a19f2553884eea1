"""Masks as COCO's family of formats writes them: run lengths, compressed or not, and polygons."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ermu.errors import AnnotationError, DependencyError
from ermu.runtime.images.run_lengths import coco_runs, pixels_of
from ermu.types import Mask


def is_empty(segmentation: Any) -> bool:
    """Whether an annotation has no mask: a box alone."""
    return not segmentation


def mask_of(segmentation: Any, hw: tuple[int, int], what: str) -> Mask:
    """The pixels of a segmentation.

    Args:
        segmentation: `{"size": [h, w], "counts": text or numbers}`, or a list of polygons.
        hw: Of the image.
        what: It belongs to, for messages.

    Returns:
        bool H x W.

    Raises:
        AnnotationError: it is damaged, or of another size.
        DependencyError: polygons need pycocotools.
    """
    if isinstance(segmentation, list):
        return polygons_mask(segmentation, hw, what)
    counts = segmentation.get("counts") if isinstance(segmentation, dict) else None
    if not isinstance(counts, (str, list)):
        raise _damaged(what, "it has neither polygons nor counts")
    size = segmentation.get("size")
    if not isinstance(size, list) or [int(side) for side in size if isinstance(side, int)] != [*hw]:
        raise _damaged(what, f"its size is {size!r}, the image's {[*hw]}")
    try:
        runs = coco_runs(counts) if isinstance(counts, str) else [int(run) for run in counts]
        mask: Mask = pixels_of(runs, hw[0] * hw[1]).reshape(hw[::-1]).T
    except (ValueError, TypeError) as error:
        raise _damaged(what, str(error)) from error
    return mask


def polygons_mask(polygons: Sequence[Any], hw: tuple[int, int], what: str) -> Mask:
    """The pixels inside of any of the polygons, by COCO's own rule, which pycocotools has.

    Args:
        polygons: x0, y0, x1, y1, ... each; 0, 0 is the corner of the first pixel.
        hw: Of the image.
        what: They belong to, for messages.

    Raises:
        AnnotationError: one is none.
        DependencyError: pycocotools is not installed.
    """
    points = [_points(polygon, hw, what) for polygon in polygons]
    try:
        from pycocotools import mask as coco
    except ImportError as error:
        raise DependencyError("pycocotools", "A mask given as polygons", "formats") from error
    found = coco.decode(coco.merge(coco.frPyObjects(points, *hw)))
    return np.asarray(found, bool)


def _points(polygon: Any, hw: tuple[int, int], what: str) -> list[float]:
    try:
        points = [float(number) for number in polygon]
    except (TypeError, ValueError) as error:
        raise _damaged(what, "a polygon is no list of numbers") from error
    if len(points) < 6 or len(points) % 2:
        raise _damaged(what, f"a polygon has {len(points)} numbers, not x and y of three points or more")
    reach = 2 * max(hw)
    if not all(-reach <= point <= reach for point in points):  # nor NaN
        raise _damaged(what, f"a polygon leaves the image, {hw[1]}x{hw[0]}, by far")
    return points


def _damaged(what: str, found: str) -> AnnotationError:
    return AnnotationError(
        f"The mask of {what} cannot be read: {found}.",
        expected="polygons, or run lengths of every pixel of the image",
    )
