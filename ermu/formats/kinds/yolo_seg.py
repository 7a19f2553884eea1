"""YOLO-seg: a text file a frame, with a line an object: its class and a polygon in shares of the image.

A number behind the polygon is the object's id, as Ultralytics writes tracks. Pixels are told by their
centres, so that its own reader, which cuts fractions off, finds each of them again.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ermu.errors import AnnotationError, DependencyError
from ermu.formats.clip import AnnotatedFrame, Clip, clip_name
from ermu.formats.format import AnnotationFormat
from ermu.formats.images import FrameImages, size_of
from ermu.formats.outlines import filled, outline
from ermu.formats.shapes import DrawnFrame, Shape, drawn_clip
from ermu.runtime.files import shown, visible_files, visible_folders
from ermu.runtime.images.labels import object_ids
from ermu.types import Mask

_LABELS, _IMAGES, _NAMES = "labels", "images", "data.yaml"
_FEWEST = 7  # numbers of a line: the class, and x and y of three points


class YoloSeg(AnnotationFormat):
    """A folder `labels` beside one `images`, and `data.yaml`; a class an object without categories."""

    help = "YOLO-seg (Ultralytics): labels/<frame>.txt and data.yaml; reading needs the images' sizes"
    fills_folder = True

    def recognises(self, path: Path) -> bool:
        """See `AnnotationFormat.recognises`."""
        return path.is_dir() and any(
            _is_polygon(line) for files in _folders(path).values() for line in _first_line(files)
        )

    def read(self, path: Path, images: FrameImages | None) -> list[Clip]:
        """See `AnnotationFormat.read`."""
        folders = _folders(path) if path.is_dir() else {}
        if not folders:
            raise AnnotationError(f"{shown(path)} holds no labels.", expected="text files called as frames")
        if images is None and not (path / _IMAGES).is_dir():
            raise AnnotationError(
                f"{shown(path)} says nothing of the images' sizes: its polygons are shares of them.",
                fix="pass --images FOLDER, which has the images",
            )
        pictures, names = images or FrameImages(path / _IMAGES), _read_names(path / _NAMES)
        return [
            drawn_clip(clip, [_frame(file, pictures.find(clip, file.stem), names) for file in files])
            for clip, files in folders.items()
        ]

    def write(self, clips: Sequence[Clip], out: Path) -> None:
        """See `AnnotationFormat.write`."""
        classes = _classes(clips)
        for clip in clips:
            folder = out / _LABELS / clip.name if len(clips) > 1 else out / _LABELS
            folder.mkdir(parents=True)
            for frame in clip.frames:
                lines = [
                    " ".join([str(classes.index(_class(clip, object_id, classes))), *_shares(mask)])
                    for object_id, mask in _masks(frame)
                ]
                (folder / f"{frame.name}.txt").write_text("".join(f"{line}\n" for line in lines))
        listed = "".join(f"  {number}: {json.dumps(name)}\n" for number, name in enumerate(classes))
        head = f"train: {_IMAGES}\nval: {_IMAGES}\nnames:\n"
        (out / _NAMES).write_text(head + listed, "utf-8")


def _folders(path: Path) -> dict[str, list[Path]]:
    """The text files of each clip."""
    labels = path / _LABELS if (path / _LABELS).is_dir() else path
    if own := visible_files(labels, ".txt"):
        return {clip_name(path.resolve().name): own}
    found = {folder.name: visible_files(folder, ".txt") for folder in visible_folders(labels)}
    return {name: files for name, files in found.items() if files}


def _first_line(files: Sequence[Path]) -> Iterator[str]:
    for file in files:
        with file.open(errors="replace") as lines:
            if line := next((line for line in lines if line.strip()), ""):
                yield line
                return


def _is_polygon(line: str) -> bool:
    parts = line.split()
    try:
        return len(parts) >= _FEWEST and parts[0].isdecimal() and all(map(np.isfinite, map(float, parts)))
    except ValueError:
        return False


def _read_names(file: Path) -> dict[int, str]:
    if not file.is_file():
        return {}
    try:
        import yaml
    except ImportError as error:
        raise DependencyError("pyyaml", f"Reading {file.name}", "formats") from error
    try:
        names = (yaml.safe_load(file.read_text("utf-8")) or {}).get("names", {})
        pairs = names.items() if isinstance(names, dict) else enumerate(names)
        return {int(number): str(name) for number, name in pairs}
    except (yaml.YAMLError, ValueError, TypeError, AttributeError) as error:
        raise AnnotationError(
            f"{shown(file)} cannot be read: {error}", expected="names: a list, or numbers and names"
        ) from error


def _frame(file: Path, picture: Path, names: dict[int, str]) -> DrawnFrame:
    hw = size_of(picture)
    try:
        lines = file.read_text("utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise AnnotationError(f"{shown(file)} cannot be read: {error}.") from error
    shapes = [
        _shape(line, hw, names, f"{shown(file)}, line {number}")
        for number, line in enumerate(lines, start=1)
        if line.strip()
    ]
    return DrawnFrame(picture.name, hw, shapes)


def _shape(line: str, hw: tuple[int, int], names: dict[int, str], what: str) -> Shape:
    try:
        numbers = [float(part) for part in line.split()]
        own, key = int(numbers[0]), int(numbers[-1]) if len(numbers) % 2 == 0 else None
    except (ValueError, OverflowError) as error:
        raise AnnotationError(
            f"{what} is not made of numbers: {error}.", expected="class x y x y ..."
        ) from error
    points = np.array(numbers[1 : None if key is None else -1]).reshape(-1, 2)
    if len(numbers) < _FEWEST or own != numbers[0] or (key is not None and key != numbers[-1]):
        raise AnnotationError(
            f"{what} has {len(numbers)} numbers: {line[:60].strip()}.",
            expected="a class, x and y of three points or more, and an id or none",
        )
    if not ((points >= -1) & (points <= 2)).all():
        raise AnnotationError(
            f"{what} has coordinates up to {np.abs(points).max():g}.", expected="shares of the image, 0 to 1"
        )
    return Shape(partial(_mask, points, hw), key, names.get(own, f"{own}"), own + 1 if key is None else key)


def _mask(points: npt.NDArray[Any], hw: tuple[int, int]) -> Mask:
    return filled(points * hw[::-1], hw)


def _masks(frame: AnnotatedFrame) -> Iterator[tuple[int, Mask]]:
    label = frame.label()
    for object_id in object_ids(label):
        yield object_id, label == object_id


def _shares(mask: Mask) -> list[str]:
    points = outline(mask)
    points = points if len(points) > 2 else np.resize(points, (3, 2))
    shares = (points + 0.5) / mask.shape[::-1]
    return [f"{share:.6f}".rstrip("0") for share in shares.ravel()]


def _classes(clips: Sequence[Clip]) -> list[str]:
    """The categories that there are, or the ids where nothing has one."""
    named = dict.fromkeys(clip.category(i) for clip in clips for i in clip.categories)
    if named:
        return sorted({*named, *(clip.category(0) for clip in clips if _has_unnamed(clip))})
    ids = {i for clip in clips for frame in clip.frames for i in object_ids(frame.label())}
    return [str(i) for i in range(1, max(ids, default=0) + 1)]


def _has_unnamed(clip: Clip) -> bool:
    return any(i not in clip.categories for frame in clip.frames for i in object_ids(frame.label()))


def _class(clip: Clip, object_id: int, classes: Sequence[str]) -> str:
    named = clip.category(object_id)
    return named if named in classes else str(object_id)


PLUGIN = YoloSeg
