"""Where frames come from: image folders and globs, video files, cameras."""

from __future__ import annotations

import glob
import re
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import cv2

from ermu.errors import SourceError

from .labels import LabelMap

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp")
_DEFAULT_FPS = 25.0


@dataclass(frozen=True)
class Frame:
    """One frame of a source.

    Attributes:
        index: Counted from 0.
        name: What results for this frame are called: the image's stem, or the index in five digits.
        image: BGR uint8 H x W x 3.
    """

    index: int
    name: str
    image: LabelMap


class Source(ABC):
    """An ordered stream of frames; a context manager that yields `Frame`s when iterated.

    Attributes:
        fps: Nominal frames a second.
        total_frames: Number of frames where it is known.
    """

    fps: float = _DEFAULT_FPS
    total_frames: int | None = None

    @abstractmethod
    def __iter__(self) -> Iterator[Frame]: ...

    def close(self) -> None:
        """Releases the device or file."""

    def __enter__(self) -> Source:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class ImageSource(Source):
    """Image files in natural order of their names.

    Args:
        paths: At least one image; stems must differ, since results are named after them.
    """

    def __init__(self, paths: list[Path]) -> None:
        self._paths = sorted(paths, key=lambda path: _natural(path.name))
        self.total_frames = len(paths)
        stems = [path.stem for path in self._paths]
        twice = next((stem for stem in stems if stems.count(stem) > 1), None) if len(set(stems)) < len(stems) else None
        if twice is not None:
            raise SourceError(f"Several images are called '{twice}'.", expected="names that differ without suffix")

    def __iter__(self) -> Iterator[Frame]:
        for index, path in enumerate(self._paths):
            image = cv2.imread(str(path), cv2.IMREAD_COLOR)
            if image is None:
                raise SourceError(f"{path} cannot be read as an image.", fix="remove it, or replace it by an image")
            yield Frame(index, path.stem, image)  # type: ignore[arg-type]


class VideoSource(Source):
    """A video file, or a camera by its index, through OpenCV."""

    def __init__(self, where: Path | int) -> None:
        self._where = where
        self._capture = cv2.VideoCapture(where if isinstance(where, int) else str(where))
        if not self._capture.isOpened():
            what = f"Camera {where}" if isinstance(where, int) else f"The video {where}"
            raise SourceError(f"{what} cannot be opened.", fix="check that it exists and is not in use elsewhere")
        self.fps = self._capture.get(cv2.CAP_PROP_FPS) or _DEFAULT_FPS
        count = int(self._capture.get(cv2.CAP_PROP_FRAME_COUNT))
        self.total_frames = count if count > 0 and not isinstance(where, int) else None

    def __iter__(self) -> Iterator[Frame]:
        index = 0
        while True:
            read, image = self._capture.read()
            if not read:
                return
            yield Frame(index, f"{index:05d}", image)  # type: ignore[arg-type]
            index += 1

    def close(self) -> None:
        self._capture.release()


def open_source(where: str) -> Source:
    """Opens a source from its description on the command line.

    Args:
        where: A folder of images, a glob, a video file, or a camera index.

    Raises:
        SourceError: nothing is there, or it holds no image.
    """
    if where.isdecimal() and not Path(where).exists():
        return VideoSource(int(where))
    path = Path(where)
    if path.is_dir():
        return ImageSource(_images(path.iterdir(), where))
    if path.is_file():
        return ImageSource([path]) if path.suffix.lower() in IMAGE_SUFFIXES else VideoSource(path)
    if glob.has_magic(where):
        return ImageSource(_images((Path(p) for p in glob.glob(where)), where))
    raise SourceError(
        f"There is no source at '{where}'.",
        expected="a folder of images, a glob such as 'frames/*.jpg', a video file, or a camera index",
    )


def _images(paths: Iterator[Path], where: str) -> list[Path]:
    images = [path for path in paths if path.suffix.lower() in IMAGE_SUFFIXES]
    if not images:
        raise SourceError(f"'{where}' holds no images.", expected=f"files ending in {', '.join(IMAGE_SUFFIXES)}")
    return images


def _natural(name: str) -> list[tuple[int, int | str]]:
    """Sort key by which frame2 comes before frame10."""
    return [(0, int(part)) if part.isdecimal() else (1, part) for part in re.split(r"(\d+)", name) if part]
