"""An animated picture as a source: WebP or PNG, every picture of it a frame."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image as Pillow
from PIL import UnidentifiedImageError

from ermu.errors import SourceError
from ermu.runtime.files import shown
from ermu.runtime.images.image_files import is_animation
from ermu.runtime.sources.base import Frame, Source

_HEAD = 1 << 16  # bytes in which a file says that it is animated
_SUFFIXES = (".webp", ".png", ".apng")


class AnimationSource(Source):
    """The pictures of an animated WebP or PNG file, at their own times.

    Raises:
        SourceError: Pillow cannot read it.
    """

    help = "an animated WebP or PNG"
    rank = 1

    def __init__(self, path: Path) -> None:
        self._path, self.description = path, shown(path)
        with self._opened() as image:
            self.total_frames = int(getattr(image, "n_frames", 1))
            first = float(image.info.get("duration") or 0)
        self.fps = 1e3 / first if first else Source.fps
        self.missing = 0

    @classmethod
    def opens(cls, where: str) -> bool:
        """See `Source.opens`."""
        path = Path(where)
        if path.suffix.lower() not in _SUFFIXES or not path.is_file():
            return False
        try:
            with path.open("rb") as file:
                return is_animation(file.read(_HEAD))
        except OSError:
            return False

    @classmethod
    def open(cls, where: str) -> AnimationSource:
        """See `Source.open`."""
        return cls(Path(where))

    def __iter__(self) -> Iterator[Frame]:
        total, time, index = self.total_frames or 0, 0.0, 0
        with self._opened() as image:
            for index in range(total):
                try:
                    image.seek(index)
                    pixels = np.asarray(image.convert("RGB"))[..., ::-1]
                except (EOFError, OSError, SyntaxError, ValueError):
                    self.missing = total - index
                    return
                yield Frame(index, f"{index:05d}", np.ascontiguousarray(pixels), time=time)
                time += float(image.info.get("duration") or 1e3 / self.fps) / 1e3
        self.missing = 0

    def _opened(self) -> Pillow.Image:
        try:
            return Pillow.open(self._path)
        except (UnidentifiedImageError, OSError, SyntaxError, ValueError) as error:
            raise SourceError(f"{self.description} cannot be read as an animation: {error}") from error


PLUGIN = AnimationSource
