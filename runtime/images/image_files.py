"""Image files as bytes: whether they are whole, and how many pictures they hold."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from io import BytesIO

from PIL import Image, UnidentifiedImageError

MAXIMUM_TAG = 281  # TIFF: MaxSampleValue
_PNG = b"\x89PNG\r\n\x1a\n"
START_OF_JPEG, END_OF_JPEG = b"\xff\xd8", b"\xff\xd9"
_START_OF_SCAN = 0xDA


def damage_of(data: bytes) -> str | None:
    """What is wrong with a JPEG, PNG, WebP or TIFF file that a decoder may have shown all the same."""
    if data[:2] == START_OF_JPEG:
        return None if END_OF_JPEG in data[_scan_at(data) :] else "it ends in the middle of the picture"
    if data.startswith(_PNG):
        return _png_damage(data)
    if _is_webp(data):
        whole = len(data) >= 8 + int.from_bytes(data[4:8], "little")
        return None if whole else "it ends in the middle of the picture"
    if data[:2] in (b"II", b"MM", b"BM"):
        return _damage_by_pillow(data)
    return None


def pages_of(data: bytes) -> int:
    """How many pictures of one size a WebP, PNG or TIFF file holds; 1 for whatever else."""
    if not (_is_animated_webp(data) or _is_animated_png(data) or data[:2] in (b"II", b"MM")):
        return 1
    try:
        with Image.open(BytesIO(data)) as image:
            count, size = int(getattr(image, "n_frames", 1)), image.size
            if count > 1 and data[:2] in (b"II", b"MM"):  # thumbnails and pyramids are no further pictures
                return 1 + [_size_of(image, page) for page in range(1, count)].count(size)
            return count
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError):
        return 1


def is_animation(head: bytes) -> bool:
    """Whether a file that begins so is an animated WebP or PNG."""
    return _is_animated_webp(head) or _is_animated_png(head)


def _size_of(image: Image.Image, page: int) -> tuple[int, int]:
    image.seek(page)
    return image.size


def _is_webp(data: bytes) -> bool:
    return data[:4] == b"RIFF" and data[8:12] == b"WEBP"


def _is_animated_webp(data: bytes) -> bool:
    return _is_webp(data) and data[12:16] == b"VP8X" and len(data) > 20 and bool(data[20] & 2)


def _is_animated_png(data: bytes) -> bool:
    if not data.startswith(_PNG):
        return False
    for kind, _, _ in _png_chunks(data):
        if kind in (b"acTL", b"IDAT"):
            return kind == b"acTL"
    return False


def _scan_at(data: bytes) -> int:
    """Where a JPEG's first scan begins; segments before it may hold whole thumbnails."""
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF:
        if data[at + 1] == 0xFF:  # fill bytes
            at += 1
            continue
        length = int.from_bytes(data[at + 2 : at + 4], "big")
        if data[at + 1] == _START_OF_SCAN:
            return at + 2 + length
        at += 2 + length
    return len(data)


def _png_chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Kind, start and length of each chunk's content."""
    at = len(_PNG)
    while at + 8 <= len(data):
        length, kind = struct.unpack(">I4s", data[at : at + 8])
        yield kind, at + 8, length
        at += 12 + length


def _png_damage(data: bytes) -> str | None:
    for kind, start, length in _png_chunks(data):
        end = start + length
        if end + 4 > len(data):
            break
        if zlib.crc32(data[start - 4 : end]) != int.from_bytes(data[end : end + 4], "big"):
            return "a part of it is corrupt"
        if kind == b"IEND":
            return None
    return "it ends in the middle of the picture"


def _damage_by_pillow(data: bytes) -> str | None:
    try:
        with Image.open(BytesIO(data)) as image:
            image.load()
    except UnidentifiedImageError:
        return None  # of a kind that Pillow does not know
    except (OSError, SyntaxError, ValueError) as error:
        return "it ends in the middle of the picture" if "truncated" in str(error) else str(error)
    return None
