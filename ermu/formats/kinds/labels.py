"""Label maps: palette PNGs named after frames, as `ermu run` writes them and takes them as prompts."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from ermu.errors import AnnotationError
from ermu.formats.clip import AnnotatedFrame, Clip, clip_name
from ermu.formats.format import AnnotationFormat
from ermu.formats.images import FrameImages, size_of
from ermu.runtime.files import shown, visible_files, visible_folders
from ermu.runtime.images.labels import IGNORE, object_ids, read_label_map, write_label_map
from ermu.types import LabelMap

_INSIDE = "labels"  # where a run has them


class LabelMaps(AnnotationFormat):
    """A folder of PNGs, or a folder a clip; results of `ermu run` are taken as they are."""

    help = "palette PNGs named after frames, in a folder or in one a clip: what ermu run writes and takes"
    fills_folder = True
    keeps_ignored = True

    def recognises(self, path: Path) -> bool:
        """See `AnnotationFormat.recognises`."""
        return path.is_dir() and any(_is_label_map(files[0]) for files in _folders(path).values())

    def read(self, path: Path, images: FrameImages | None) -> list[Clip]:
        """See `AnnotationFormat.read`."""
        found = _folders(path) if path.is_dir() else {}
        if not found:
            raise AnnotationError(
                f"{shown(path)} holds no label maps.", expected="PNGs, in the folder or in one a clip"
            )
        return [Clip(name, tuple(map(_frame, files))) for name, files in found.items()]

    def write(self, clips: Sequence[Clip], out: Path) -> None:
        """See `AnnotationFormat.write`."""
        for clip in clips:
            folder = out / clip.name if len(clips) > 1 else out
            folder.mkdir(exist_ok=True)
            for frame in clip.frames:
                write_label_map(folder / f"{frame.name}.png", frame.label())


def _folders(path: Path) -> dict[str, list[Path]]:
    """The PNGs of each clip."""
    if own := visible_files(path, ".png"):
        return {clip_name((path.resolve().parent if path.name == _INSIDE else path.resolve()).name): own}
    if inside := visible_files(path / _INSIDE, ".png") if (path / _INSIDE).is_dir() else []:
        return {clip_name(path.resolve().name): inside}
    found = {}
    for folder in visible_folders(path):
        place = folder / _INSIDE if (folder / _INSIDE).is_dir() else folder
        if files := visible_files(place, ".png"):
            found[folder.name] = files
    return found


def _is_label_map(path: Path) -> bool:
    try:
        with Image.open(path) as image:
            return image.mode in ("P", "L", "1")  # 16 bits are MOTS's, colours a picture's
    except (OSError, SyntaxError, ValueError):
        return False


def _frame(path: Path) -> AnnotatedFrame:
    return AnnotatedFrame(path.stem, f"{path.stem}.jpg", size_of(path), partial(_label, path))


def _label(path: Path) -> LabelMap:
    label = read_label_map(path)
    return label if object_ids(label) else (label == IGNORE).astype(np.uint8)  # one object, drawn in white


PLUGIN = LabelMaps
