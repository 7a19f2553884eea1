"""Pictures from files: read by Python, whatever their names are, and decoded by OpenCV.

A decoder passes over much in silence; what it does is found out here: a file that ends in the middle, more
than one picture, more than eight bits.
"""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image as Pillow
from PIL import UnidentifiedImageError

from ermu.errors import SourceError
from ermu.runtime.files import shown
from ermu.runtime.images.image_files import END_OF_JPEG, MAXIMUM_TAG, START_OF_JPEG, damage_of, pages_of
from ermu.types import Image

_DARK = 1 << 14  # a 16-bit picture that stays below it is dark, or holds fewer bits
_ORIENTATION_TAG = 0x0112


@dataclass(frozen=True)
class Picture:
    """A picture and what is to be known about it.

    Attributes:
        pixels: BGR uint8 H x W x 3, turned as the file says.
        damage: What is wrong with the file, None where it is whole.
    """

    pixels: Image
    damage: str | None = None


class PictureReader:
    """Reads pictures that belong together: how bright one is tells how the others' values are meant."""

    def __init__(self) -> None:
        self._whole_range = False

    def read(self, path: Path) -> Picture:
        """A picture file.

        Raises:
            SourceError: it cannot be read, holds several pictures, or values whose range nothing tells.
        """
        data = _bytes(path)
        if (pages := pages_of(data)) > 1:
            raise SourceError(
                f"{shown(path)} holds {pages} pictures.",
                expected="one picture a file, or an animation (WebP, PNG) as the source itself",
                fix="write each of its pictures to a file of its own",
            )
        damage = damage_of(data)
        pixels = _decoded(data + END_OF_JPEG if damage and data[:2] == START_OF_JPEG else data)
        if pixels is None:
            raise SourceError(
                f"{shown(path)} cannot be read as an image.", fix="remove it, or replace it by an image"
            )
        return Picture(self._in_bytes(pixels, data, path), damage)

    def _in_bytes(self, pixels: npt.NDArray[Any], data: bytes, path: Path) -> Image:
        """Eight bits of a picture: the highest of the range that its file declares."""
        if pixels.dtype == np.uint8:
            return pixels.astype(np.uint8, copy=False)
        highest = int(pixels.max(initial=0))
        if pixels.dtype != np.uint16:
            raise SourceError(
                f"{shown(path)} holds {pixels.dtype} values.", expected="8 or 16 bits a channel, unsigned"
            )
        declared = _declared_maximum(data)
        if declared is not None and highest <= declared:
            return np.asarray((pixels * (255.0 / declared)).round(), np.uint8)
        self._whole_range = self._whole_range or highest >= _DARK or _has_significant_bits(data)
        if not self._whole_range and highest:
            bits = max(highest.bit_length(), 9)
            raise SourceError(
                f"{shown(path)} has 16 bits a channel and no value above {highest}: nearly black.",
                expected="values up to 65535, or a TIFF whose MaxSampleValue says what white is",
                fix=f"scale all frames alike before: cv2.imwrite(path, frame << {16 - bits}) "
                f"where they hold {bits} bits",
            )
        return np.asarray(pixels >> 8, np.uint8)


def orientation_of(path: Path) -> int:
    """The EXIF orientation of a picture file: 1 where it is stored as it is shown."""
    try:
        with path.open("rb") as file, Pillow.open(file) as image:
            return int(image.getexif().get(_ORIENTATION_TAG, 1))
    except (OSError, SyntaxError, ValueError, TypeError):
        return 1


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise SourceError(f"{shown(path)} cannot be read: {error.strerror or error}.") from error


def _decoded(data: bytes) -> npt.NDArray[Any] | None:
    if not data:
        return None
    try:
        return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH)
    except cv2.error:
        return None


def _declared_maximum(data: bytes) -> int | None:
    """The value of white that a TIFF of more than eight bits declares."""
    if data[:2] not in (b"II", b"MM"):
        return None
    try:
        with Pillow.open(BytesIO(data)) as image:
            value = getattr(image, "tag_v2", {}).get(MAXIMUM_TAG)
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError):
        return None
    highest = max(value, default=0) if isinstance(value, tuple) else value
    return int(highest) if highest and highest > 0xFF else None


def _has_significant_bits(data: bytes) -> bool:
    """Whether a PNG says how many bits count: its samples then fill the range, by the standard."""
    return data[:4] == b"\x89PNG" and b"sBIT" in data[:4096].partition(b"IDAT")[0]
