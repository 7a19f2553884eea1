"""The photographs and cut-outs that scenes are made of, split in two and read when they are wanted."""

from __future__ import annotations

from functools import cache, lru_cache
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from ermu.errors import DatasetError
from ermu.scenes.config import Split
from ermu.scenes.footage.packages import CUT_OUTS, PHOTOGRAPHS, files, root

Image = NDArray[np.uint8]
# A picture: its file, and the bytes of it in a container of several.
Entry = tuple[Path, int, int]

_LONGEST = 960
_SMALLEST = 48
_DRAWINGS = {"cartoon", "toys", "hats"}
_EVERY = 8  # of so many pictures one is the validation split's


def contained(path: Path) -> list[Entry]:
    """The WebP pictures in a Qt resource container (.rcc), which keeps them whole; else the file itself.

    A RIFF file is 'RIFF', the little-endian length of the rest, and 'WEBP'.
    """
    if path.suffix != ".rcc":
        return [(path, 0, path.stat().st_size)]
    data, found, start = path.read_bytes(), [], 0
    while (start := data.find(b"RIFF", start)) >= 0:
        length = int.from_bytes(data[start + 4 : start + 8], "little") + 8
        if data[start + 8 : start + 12] == b"WEBP":
            found.append((path, start, length))
        start += 4
    return found


def _split(entries: list[Entry], split: Split) -> tuple[Entry, ...]:
    return tuple(e for i, e in enumerate(entries) if (i % _EVERY == _EVERY - 1) == (split == "validation"))


def photographs(split: Split) -> tuple[Entry, ...]:
    """The photographs of a split; the two share none.

    Raises:
        DatasetError: a package's are missing.
    """
    return _photographs(split, root())


def cut_outs(split: Split, kind: str) -> tuple[Entry, ...]:
    """The cut-outs of a split and a kind (`packages.CUT_OUTS`), drawings left out.

    Raises:
        DatasetError: their package is missing.
    """
    return _cut_outs(split, kind, root())


@cache
def _photographs(split: Split, below: Path) -> tuple[Entry, ...]:
    paths = (path for package in PHOTOGRAPHS for path in files(package, below))
    return _split([entry for path in paths for entry in contained(path)], split)


@cache
def _cut_outs(split: Split, kind: str, below: Path) -> tuple[Entry, ...]:
    found = [p for p in files(CUT_OUTS[kind], below) if not _DRAWINGS & set(p.relative_to(below).parts)]
    return _split([(path, 0, path.stat().st_size) for path in found if _cut_out(path)], split)


def _cut_out(path: Path) -> bool:
    """Whether a PNG has coverage and is large enough, by its header."""
    with path.open("rb") as file:
        head = np.frombuffer(file.read(26), np.uint8)
    return _has_coverage(head) and max(head[16:24].view(">u4").tolist()) >= _SMALLEST


def _has_coverage(data: NDArray[np.uint8]) -> bool:
    """Whether bytes begin an RGBA PNG: eight bits a channel, colour type 6."""
    return data[:4].tobytes() == b"\x89PNG" and data[24:26].tolist() == [8, 6]


@lru_cache(maxsize=192)
def read(entry: Entry) -> Image:
    """A picture: H x W x 3 or 4 uint8, BGR and coverage, read-only, at most _LONGEST pixels a side.

    Raises:
        DatasetError: it cannot be read.
    """
    path, start, length = entry
    with path.open("rb") as file:
        file.seek(start)
        data = np.frombuffer(file.read(length), np.uint8)
    kept = cv2.IMREAD_UNCHANGED if _has_coverage(data) else cv2.IMREAD_COLOR
    image = cv2.imdecode(data, kept)
    if image is None:
        raise DatasetError(f"{path} holds no picture that can be read at byte {start}.")
    scale = _LONGEST / max(image.shape[:2])
    if scale < 1:
        image = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    pixels = np.ascontiguousarray(image, np.uint8)
    pixels.flags.writeable = False
    return pixels
