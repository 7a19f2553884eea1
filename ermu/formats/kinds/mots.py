"""MOTS as text: a line an object and frame: frame, id, class, height, width, COCO's run lengths.

An id is 1000 times the class and the object's number; class 1 is car, 2 pedestrian, 10 pixels to ignore.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from ermu.errors import AnnotationError
from ermu.formats.clip import Clip, clip_name, image_size
from ermu.formats.format import AnnotationFormat
from ermu.formats.images import FrameImages
from ermu.formats.mots_ids import ClassNumbers, frame_numbers, frame_of, shape_of, split_id
from ermu.formats.segmentations import mask_of
from ermu.formats.shapes import DrawnFrame, Shape, drawn_clip
from ermu.runtime.files import shown, visible_files
from ermu.runtime.images.labels import IGNORE, object_ids
from ermu.runtime.images.run_lengths import coco_rle

_FIELDS = 6
_EXPECTED = "frame id class height width run-lengths"


class Mots(AnnotationFormat):
    """A text file a clip; frames without an object are in none."""

    help = "MOTS: a text file a clip, in a folder or one alone"
    fills_folder = True
    keeps_ignored = True

    def recognises(self, path: Path) -> bool:
        """See `AnnotationFormat.recognises`."""
        return any(map(_is_mots, _files(path)[:1]))

    def read(self, path: Path, images: FrameImages | None) -> list[Clip]:
        """See `AnnotationFormat.read`."""
        files = _files(path)
        if not files:
            raise AnnotationError(f"{shown(path)} holds no text files.", expected=f"lines of {_EXPECTED}")
        return [drawn_clip(clip_name(file.stem), _frames(file)) for file in files]

    def write(self, clips: Sequence[Clip], out: Path) -> None:
        """See `AnnotationFormat.write`."""
        classes = ClassNumbers()
        for clip in clips:
            lines = []
            for number, frame in zip(frame_numbers(clip), clip.frames, strict=True):
                label = frame.label()
                for value in [*object_ids(label), *([IGNORE] if (label == IGNORE).any() else [])]:
                    own, full = classes.of(clip, value)
                    rle = coco_rle(label == value)
                    lines.append(f"{number} {full} {own} {frame.hw[0]} {frame.hw[1]} {rle['counts']}\n")
            (out / f"{clip.name}.txt").write_text("".join(lines), "ascii")


def _files(path: Path) -> list[Path]:
    if path.is_dir():
        return visible_files(path, ".txt")
    return [path] if path.suffix.lower() == ".txt" and path.is_file() else []


def _is_mots(file: Path) -> bool:
    with file.open(errors="replace") as lines:
        parts = lines.readline().split()
    return len(parts) == _FIELDS and all(part.isdecimal() for part in parts[:5])


def _frames(file: Path) -> list[DrawnFrame]:
    found: dict[int, tuple[tuple[int, int], list[Shape]]] = {}
    try:
        lines = file.read_text("ascii").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise AnnotationError(f"{shown(file)} cannot be read: {error}.", expected=_EXPECTED) from error
    for line_number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        what = f"{shown(file)}, line {line_number}"
        parts = line.split()
        if len(parts) != _FIELDS or not all(part.isdecimal() for part in parts[:5]):
            raise AnnotationError(f"{what} is no line of MOTS: {line[:60]}.", expected=_EXPECTED)
        hw = image_size(parts[3], parts[4], what)
        known, shapes = found.setdefault(int(parts[0]), (hw, []))
        if known != hw:
            raise AnnotationError(f"{what} has another size than an earlier one of frame {parts[0]}.")
        mask = partial(mask_of, {"size": [*hw], "counts": parts[5]}, hw, what)
        shapes.append(shape_of(int(parts[2]), split_id(int(parts[1]))[1], mask))
    if not found:
        raise AnnotationError(f"{shown(file)} holds no line.", expected=_EXPECTED)
    return [frame_of(f"{number:06d}", hw, shapes) for number, (hw, shapes) in sorted(found.items())]


PLUGIN = Mots
