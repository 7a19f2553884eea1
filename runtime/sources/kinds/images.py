"""Image files as a source: a folder's, or those that a glob finds."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import cv2

from ermu.errors import SourceError
from ermu.runtime.sources.base import Frame, Source

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp")


class ImageSource(Source):
    """Image files in natural order of their names.

    Args:
        paths: At least one image; stems must differ, since results are named after them.

    Raises:
        SourceError: two images share a stem.
    """

    def __init__(self, paths: list[Path]) -> None:
        self._paths = sorted(paths, key=lambda path: _natural(path.name))
        self.total_frames = len(paths)
        self.description = str(self._paths[0].parent)
        stem, times = Counter(path.stem for path in self._paths).most_common(1)[0]
        if times > 1:
            raise SourceError(
                f"Several images are called '{stem}'.", expected="names that differ without their suffix"
            )

    def __iter__(self) -> Iterator[Frame]:
        for index, path in enumerate(self._paths):
            image = cv2.imread(str(path), cv2.IMREAD_COLOR)
            if image is None:
                raise SourceError(
                    f"{path} cannot be read as an image.", fix="remove it, or replace it by an image"
                )
            yield Frame(index, path.stem, image, time=index / self.fps)  # type: ignore[arg-type]


def _natural(name: str) -> list[tuple[int, int | str]]:
    """Sort key by which frame2 comes before frame10."""
    return [(0, int(part)) if part.isdecimal() else (1, part) for part in re.split(r"(\d+)", name) if part]
