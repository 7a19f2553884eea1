"""MOTS as pictures: a PNG of 16 bits a frame, whose values are ids as in the text form."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError

from ermu.errors import AnnotationError
from ermu.formats.clip import Clip, clip_name
from ermu.formats.format import AnnotationFormat
from ermu.formats.images import FrameImages
from ermu.formats.mots_ids import ClassNumbers, frame_numbers, frame_of, shape_of, split_id
from ermu.formats.shapes import DrawnFrame, drawn_clip
from ermu.runtime.files import shown, visible_files, visible_folders
from ermu.runtime.images.labels import IGNORE, object_ids
from ermu.types import Mask

_INSTANCES = "instances"


class MotsPng(AnnotationFormat):
    """A folder `instances` with one a clip."""

    help = "MOTS: a 16-bit PNG a frame, in instances/<clip>"
    fills_folder = True
    keeps_ignored = True

    def recognises(self, path: Path) -> bool:
        """See `AnnotationFormat.recognises`."""
        return path.is_dir() and any(_has_16_bits(files[0]) for files in _folders(path).values())

    def read(self, path: Path, images: FrameImages | None) -> list[Clip]:
        """See `AnnotationFormat.read`."""
        folders = _folders(path) if path.is_dir() else {}
        if not folders:
            raise AnnotationError(
                f"{shown(path)} holds no PNGs.", expected="PNGs of 16 bits, a folder a clip"
            )
        return [drawn_clip(name, list(map(_frame, files))) for name, files in folders.items()]

    def write(self, clips: Sequence[Clip], out: Path) -> None:
        """See `AnnotationFormat.write`."""
        classes = ClassNumbers()
        for clip in clips:
            folder = out / _INSTANCES / clip.name
            folder.mkdir(parents=True)
            for number, frame in zip(frame_numbers(clip), clip.frames, strict=True):
                label = frame.label()
                table = np.zeros(256, np.uint16)
                for value in [*object_ids(label), IGNORE]:
                    table[value] = classes.of(clip, value)[1]
                Image.fromarray(table[label]).save(folder / f"{number:06d}.png")


def _folders(path: Path) -> dict[str, list[Path]]:
    root = path / _INSTANCES if (path / _INSTANCES).is_dir() else path
    if own := visible_files(root, ".png"):
        return {clip_name(root.resolve().name): own}
    found = {folder.name: visible_files(folder, ".png") for folder in visible_folders(root)}
    return {name: files for name, files in found.items() if files}


def _has_16_bits(path: Path) -> bool:
    try:
        with Image.open(path) as image:
            return str(image.mode).startswith("I")
    except (OSError, SyntaxError, ValueError):
        return False


def _frame(path: Path) -> DrawnFrame:
    values = _values(path)
    ids = [int(value) for value in np.unique(values) if value]
    shapes = [shape_of(*split_id(value), partial(_mask, path, value)) for value in ids]
    return frame_of(path.stem, (values.shape[0], values.shape[1]), shapes)


def _mask(path: Path, value: int) -> Mask:
    mask: Mask = _values(path) == value
    return mask


@lru_cache(maxsize=1)
def _values(path: Path) -> npt.NDArray[Any]:
    try:
        with Image.open(path) as image:
            values = np.asarray(image)
    except (OSError, UnidentifiedImageError, Image.DecompressionBombError, SyntaxError, ValueError) as error:
        raise AnnotationError(f"{shown(path)} cannot be read as an image: {error}") from error
    if values.ndim != 2 or values.size == 0 or values.min() < 0:
        raise AnnotationError(
            f"{shown(path)} has {values.ndim} dimensions.", expected="one channel of 16 bits"
        )
    return values


PLUGIN = MotsPng
