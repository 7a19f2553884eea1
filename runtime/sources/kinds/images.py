"""Image files as a source: a folder's, or those that a glob finds."""

from __future__ import annotations

import glob
import logging
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from ermu.errors import SourceError
from ermu.runtime.files import is_visible, natural_key, shown, visible_files
from ermu.runtime.images.reading import PictureReader, orientation_of
from ermu.runtime.sources.base import Frame, Source

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp")

logger = logging.getLogger("ermu.sources")


class ImageSource(Source):
    """Image files in natural order of their names.

    Args:
        paths: At least one image; stems must differ, since results are named after them.

    Raises:
        SourceError: two images share a stem.
    """

    help = "a folder of images, an image, a glob such as 'frames/*.jpg'"
    rank = 1

    def __init__(self, paths: list[Path]) -> None:
        self._paths = sorted(paths, key=natural_key)
        self.total_frames = len(paths)
        self.description = shown(self._paths[0].parent)
        stem, times = Counter(path.stem for path in self._paths).most_common(1)[0]
        if times > 1:
            raise SourceError(
                f"Several images are called '{stem}'.", expected="names that differ without their suffix"
            )

    @classmethod
    def opens(cls, where: str) -> bool:
        """See `Source.opens`."""
        path = Path(where)
        if path.is_file():
            return _is_image(path)
        return path.is_dir() or (not path.exists() and glob.has_magic(where))

    @classmethod
    def open(cls, where: str) -> ImageSource:
        """See `Source.open`."""
        path = Path(where)
        if path.is_file():
            return cls([path])
        if path.is_dir():
            images = _listed(path)
        else:
            found = map(Path, glob.glob(where))  # noqa: PTH207  absolute globs too
            images = [image for image in found if _is_image(image) and is_visible(image) and image.is_file()]
        if not images:
            why = "" if path.is_dir() else ": there is no such file, and no image fits it as a pattern"
            raise SourceError(
                f"'{shown(where)}' holds no images{why}.",
                expected=f"files ending in {', '.join(IMAGE_SUFFIXES)}",
            )
        return cls(images)

    def __iter__(self) -> Iterator[Frame]:
        self._tell_turned()
        reader, size = PictureReader(), None
        for index, path in enumerate(self._paths):
            picture = reader.read(path)
            size = size or picture.pixels.shape
            if picture.pixels.shape != size and (turned := orientation_of(path)) > 1:
                told = "%s is turned by its EXIF orientation (%d), as viewers show it."
                logger.warning(told, shown(path), turned)
            if picture.damage:
                logger.warning("%s is damaged: %s", shown(path), picture.damage)
            damaged = int(picture.damage is not None)
            yield Frame(index, path.stem, picture.pixels, time=index / self.fps, damaged=damaged)

    def _tell_turned(self) -> None:
        orientation = orientation_of(self._paths[0])
        if orientation > 1:
            logger.warning(
                "%s: frames are turned by their EXIF orientation (%d), as viewers show them; "
                "a mask has to be drawn on the turned frame.",
                self.description,
                orientation,
            )


def _is_image(path: Path) -> bool:
    return path.suffix.lower() in IMAGE_SUFFIXES


def _listed(folder: Path) -> list[Path]:
    try:
        return visible_files(folder, *IMAGE_SUFFIXES)
    except OSError as error:
        raise SourceError(f"The folder {shown(folder)} cannot be read: {error.strerror or error}.") from error


PLUGIN = ImageSource
