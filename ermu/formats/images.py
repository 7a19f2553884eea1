"""The pictures that annotations belong to: found by name, their sizes read without decoding."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from ermu.errors import AnnotationError
from ermu.formats.clip import AnnotatedFrame, Clip
from ermu.runtime.files import shown, visible_files, visible_folders

SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp")
_ORIENTATION, _TURNED = 0x0112, 5  # EXIF: from 5 on, height and width change places


class FrameImages:
    """Pictures in a folder, or in folders named after clips.

    Args:
        folder: That holds them.

    Raises:
        AnnotationError: there is none in it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._known: dict[tuple[str, str], Path] = {}
        if folder.is_dir():
            for place in (folder, *visible_folders(folder)):
                clip = "" if place == folder else place.name
                for path in visible_files(place, *SUFFIXES):
                    self._known.setdefault((clip, path.stem), path)
        if not self._known:
            raise AnnotationError(
                f"{shown(folder)} holds no images.", expected=f"files ending in {', '.join(SUFFIXES)}"
            )

    def find(self, clip: str, frame: str) -> Path:
        """A frame's picture.

        Raises:
            AnnotationError: there is none.
        """
        path = self._known.get((clip, frame)) or self._known.get(("", frame))
        if path is None:
            raise AnnotationError(
                f"The frame {shown(frame)} of {shown(clip)} has no picture in {shown(self.folder)}.",
                expected="pictures called as the annotations' frames, in the folder or in one named after "
                "the clip",
            )
        return path


def with_images(clips: Sequence[Clip], images: FrameImages) -> list[Clip]:
    """The clips with their pictures' own names.

    Raises:
        AnnotationError: a frame has no picture, or one of another size.
    """
    return [
        replace(
            clip,
            frames=tuple(_with_image(frame, images.find(clip.name, frame.name)) for frame in clip.frames),
        )
        for clip in clips
    ]


def _with_image(frame: AnnotatedFrame, path: Path) -> AnnotatedFrame:
    if (found := size_of(path)) != frame.hw:
        raise AnnotationError(
            f"{shown(path)} is {found[1]}x{found[0]}, the frame's annotation {frame.hw[1]}x{frame.hw[0]}.",
            expected="the pictures that were annotated",
        )
    return replace(frame, image=path.name)


def size_of(path: Path) -> tuple[int, int]:
    """Height and width of a picture as it is shown: turned as its EXIF orientation says.

    Raises:
        AnnotationError: it is no picture.
    """
    try:
        with path.open("rb") as file, Image.open(file) as image:
            width, height = image.size
            turned = int(image.getexif().get(_ORIENTATION, 1)) >= _TURNED
    except (OSError, UnidentifiedImageError, SyntaxError, ValueError, TypeError) as error:
        raise AnnotationError(f"{shown(path)} cannot be read as an image: {error}") from error
    return (width, height) if turned else (height, width)
