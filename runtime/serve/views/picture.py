"""A frame with its objects drawn in, as a viewer gets it."""

from __future__ import annotations

import json
from dataclasses import dataclass

import cv2
import numpy as np

from ermu.errors import SinkError
from ermu.runtime.images.overlay import draw_overlay
from ermu.runtime.images.view_colours import view_colour
from ermu.runtime.results import FrameResult
from ermu.runtime.sources.base import Frame
from ermu.types import Image, LabelMap

_PLACED_EDGE = 256  # a tag's place needs no more: finding it must not cost a frame


@dataclass(frozen=True)
class Picture:
    """A JPEG and what it shows.

    Attributes:
        jpeg: The frame with its objects drawn in.
        about: JSON, one line: `frame`, its number; `size`, the frame's width and height; `objects`, a list
            [id, x0, y0, x1, y1, colour] for each that has a pixel, in pixels of the frame, roughly.
    """

    jpeg: bytes
    about: str


def encode_picture(frame: Frame, result: FrameResult, *, long_edge: int, quality: int) -> Picture:
    """Draws a frame's objects and encodes it.

    Args:
        frame: The frame.
        result: Its label map.
        long_edge: Larger pictures are scaled down to it.
        quality: Of the JPEG, 1 to 100.

    Raises:
        SinkError: it cannot be encoded.
    """
    image, label = _scaled(frame.image, result.label, long_edge)
    encoded, jpeg = cv2.imencode(".jpg", draw_overlay(image, label), [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not encoded:
        raise SinkError("A picture cannot be encoded as JPEG.")
    return Picture(jpeg.tobytes(), about(result))


def about(result: FrameResult) -> str:
    """What a picture of the frame shows; see `Picture`."""
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
    """Every id with the box around it and its colour, from every `step`-th pixel of every `step`-th row."""
    step = max(1, max(label.shape) // _PLACED_EDGE)
    sparse = label[::step, ::step]
    found: list[list[int | str]] = []
    for object_id in np.flatnonzero(np.bincount(sparse.ravel(), minlength=256)[1:255]) + 1:
        mask = sparse == object_id
        columns, rows = np.flatnonzero(mask.any(0)), np.flatnonzero(mask.any(1))
        edges = columns[0], rows[0], columns[-1] + 1, rows[-1] + 1
        found.append([int(object_id), *(int(edge) * step for edge in edges), view_colour(object_id)])
    return found
