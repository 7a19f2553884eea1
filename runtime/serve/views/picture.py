"""A frame with its objects drawn in, as a viewer gets it."""

from __future__ import annotations

import json
from dataclasses import dataclass

import cv2
import numpy as np

from ermu.errors import SinkError
from ermu.runtime.images.labels import IGNORE
from ermu.runtime.images.masks import extents
from ermu.runtime.images.overlay import draw_overlay
from ermu.runtime.images.view_colours import view_colour
from ermu.runtime.results import FrameResult
from ermu.runtime.sources.base import Frame
from ermu.types import Image, LabelMap


@dataclass(frozen=True)
class Drawing:
    """A frame with its objects drawn in, and what it shows.

    Attributes:
        image: BGR uint8 H x W x 3.
        about: JSON, one line: `frame`, its number; `size`, the frame's width and height; `objects`, a list
            [id, x0, y0, x1, y1, colour] for each that has a pixel, in pixels of the frame.
    """

    image: Image
    about: str

    def jpeg(self, quality: int) -> Picture:
        """As a picture.

        Args:
            quality: 1 to 100.

        Raises:
            SinkError: it cannot be encoded.
        """
        encoded, jpeg = cv2.imencode(".jpg", self.image, [cv2.IMWRITE_JPEG_QUALITY, quality])
        if not encoded:
            raise SinkError("A picture cannot be encoded as JPEG.")
        return Picture(jpeg.tobytes(), self.about)


@dataclass(frozen=True)
class Picture:
    """A `Drawing` as JPEG."""

    jpeg: bytes
    about: str


def draw(frame: Frame, result: FrameResult, *, long_edge: int) -> Drawing:
    """Draws a frame's objects.

    Args:
        frame: The frame.
        result: Its label map.
        long_edge: Larger pictures are scaled down to it.
    """
    image, label = _scaled(frame.image, result.label, long_edge)
    return Drawing(draw_overlay(image, label), _about(result))


def _about(result: FrameResult) -> str:
    height, width = result.label.shape
    told = {"frame": result.frame, "size": [width, height], "objects": _places(result.label)}
    return json.dumps(told, separators=(",", ":"))


def _scaled(image: Image, label: LabelMap, long_edge: int) -> tuple[Image, LabelMap]:
    scale = long_edge / max(label.shape)
    if scale >= 1:
        return image, label
    size = max(1, round(label.shape[1] * scale)), max(1, round(label.shape[0] * scale))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
    return small, cv2.resize(label, size, interpolation=cv2.INTER_NEAREST).astype(np.uint8, copy=False)


def _places(label: LabelMap) -> list[list[int | str]]:
    """Every id that has a pixel, with the box around it and its colour."""
    found = extents(label)
    ids = np.flatnonzero(found.areas[1:IGNORE]) + 1
    return [[int(i), *(found.box(int(i)) or ()), view_colour(int(i))] for i in ids]
