"""Shapes of CVAT's XML."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import partial
from xml.etree import ElementTree as Xml

import numpy as np

from ermu.errors import AnnotationError
from ermu.formats.segmentations import polygons_mask
from ermu.formats.shapes import Shape
from ermu.runtime.images.run_lengths import pixels_of
from ermu.types import Mask

WHAT = "CVAT for images 1.1 or CVAT for video 1.1, with masks and polygons"
NAMED_BY_NUMBER = re.compile(r"frame_(\d{6,})")  # a video's frames, counted from 0
_NONE = ("attribute", "tag")
_DRAWN = ("mask", "polygon")


@dataclass(frozen=True)
class Drawn:
    """A mask or polygon.

    Attributes:
        element: It.
        what: It belongs to, for messages.
        label: Its category.
        key: Of its object: the group, else the track; None without either.
        number: The id that it would have.
        z_order: Higher ones lie above.
        frame: Of a track's shape, else 0.
    """

    element: Xml.Element
    what: str
    label: str
    key: tuple[str, int] | None
    number: int | None
    z_order: int
    frame: int


def drawn(element: Xml.Element, what: str, *, track: Xml.Element | None = None) -> Drawn | None:
    """A shape as it stands in an image or a track; None for what is no shape.

    Raises:
        AnnotationError: it has no mask, or is damaged.
    """
    if element.tag in _NONE:
        return None
    if element.tag not in _DRAWN:
        raise AnnotationError(
            f"{what[:1].upper()}{what[1:]} has a shape <{element.tag}>, which is no mask.",
            expected="masks and polygons",
            fix="draw them, or leave the other shapes out of the export",
        )
    owner = element if track is None else track
    group = _number(element, "group_id", what) or (_number(owner, "group_id", what) or 0)
    key, number = (("group", group), group) if group else (None, None)
    if key is None and track is not None:
        own = _number(track, "id", what) or 0
        key, number = ("track", own), own + 1
    z_order, frame = (_number(element, name, what) or 0 for name in ("z_order", "frame"))
    return Drawn(element, what, owner.get("label", ""), key, number, z_order, frame)


def shape_of(one: Drawn, hw: tuple[int, int]) -> Shape:
    """The shape in an image of that height and width."""
    make = _mask if one.element.tag == "mask" else _polygon
    return Shape(partial(make, one, hw), one.key, one.label or None, one.number)


def _mask(one: Drawn, hw: tuple[int, int]) -> Mask:
    left, top, width, height = (_needed(one, name) for name in ("left", "top", "width", "height"))
    if not (0 < width <= hw[1] - left and 0 < height <= hw[0] - top and min(left, top) >= 0):
        raise _damaged(one, f"its box {left}, {top}, {width} x {height} leaves the image, {hw[1]}x{hw[0]}")
    mask: Mask = np.zeros(hw, bool)
    try:
        runs = [int(run) for run in one.element.get("rle", "").split(",")]
        mask[top : top + height, left : left + width] = pixels_of(runs, width * height).reshape(height, width)
    except ValueError as error:
        raise _damaged(one, str(error)) from error
    return mask


def _polygon(one: Drawn, hw: tuple[int, int]) -> Mask:
    points = re.split(r"[;,]", one.element.get("points", ""))
    return polygons_mask([points], hw, f"a polygon of {one.what}")


def _needed(one: Drawn, name: str) -> int:
    number = _number(one.element, name, one.what)
    if number is None:
        raise _damaged(one, f"it has no {name}")
    return number


def _number(element: Xml.Element, name: str, what: str) -> int | None:
    text = element.get(name)
    try:
        return None if text is None else int(float(text))
    except (ValueError, OverflowError) as error:
        raise AnnotationError(f"{what}: {name} is '{text}'.", expected="a number") from error


def _damaged(one: Drawn, found: str) -> AnnotationError:
    return AnnotationError(f"A mask of {one.what} cannot be read: {found}.", expected=WHAT)
