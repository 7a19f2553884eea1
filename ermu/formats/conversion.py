"""From one format to another: read, renamed where asked for, written whole or not at all."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from ermu.errors import AnnotationError, SinkError
from ermu.formats.clip import AnnotatedFrame, Clip
from ermu.formats.format import AnnotationFormat
from ermu.formats.images import FrameImages, with_images
from ermu.formats.output import written_folder
from ermu.registries import FORMATS
from ermu.runtime.files import replace_atomically, shown
from ermu.runtime.images.labels import IGNORE, object_ids
from ermu.runtime.sinks.base import make_folder
from ermu.types import LabelMap

_NUMBER = re.compile(r"(\d+)$")

logger = logging.getLogger("ermu.formats")


@dataclass
class Tally:
    """What has been written.

    Attributes:
        frames: How many.
        objects: Ids of each clip.
    """

    frames: int = 0
    objects: dict[str, set[int]] = field(default_factory=dict)

    @property
    def count(self) -> int:
        """Objects of all clips."""
        return sum(map(len, self.objects.values()))


def recognised(path: Path) -> str:
    """The name of the format that a file or folder has.

    Raises:
        AnnotationError: there is none such, or more than one.
    """
    if not path.exists():
        raise AnnotationError(f"There is nothing at {shown(path)}.", expected="annotations, or label maps")
    found = [name for name, kind in FORMATS.loadable(logger) if kind().recognises(path)]
    if len(found) == 1:
        return found[0]
    what = f"is of more than one format: {', '.join(found)}" if found else "is of no format that is known"
    raise AnnotationError(
        f"{shown(path)} {what}.",
        expected=f"one of {', '.join(FORMATS.names())}",
        fix="say which it is with --from",
    )


def read_clips(path: Path, name: str, images: Path | None = None) -> list[Clip]:
    """Annotations of a format.

    Args:
        path: A file or folder.
        name: Of the format.
        images: Folder of the frames' pictures, whose names and sizes are then theirs.

    Raises:
        ErmuError: as `AnnotationFormat.read`, or the pictures are others.
    """
    if not path.exists():
        raise AnnotationError(f"There is nothing at {shown(path)}.", expected="annotations, or label maps")
    pictures = FrameImages(images) if images is not None else None
    clips = FORMATS.get(name)().read(path, pictures)
    if not any(clip.frames for clip in clips):
        raise AnnotationError(f"{shown(path)} lists no frames.", expected="one at least")
    return with_images(clips, pictures) if pictures is not None else clips


def write_clips(clips: Sequence[Clip], name: str, out: Path, *, overwrite: bool = False) -> Tally:
    """Writes a format, whole or not at all.

    Args:
        clips: At least one.
        name: Of the format.
        out: A file or a folder.
        overwrite: Whether what an earlier conversion has written there may be replaced.

    Raises:
        ErmuError: as `AnnotationFormat.write`, or it cannot be written; what was there is as it was.
    """
    kind, tally = FORMATS.get(name)(), Tally()
    if Path("/dev") in out.absolute().parents:  # what takes its place would be no device any more
        raise SinkError(f"{shown(out)} is a device.", expected="a file or a folder, written in one go")
    counted = [_Counter(tally, clip.name, kind).counted(clip) for clip in clips]
    make_folder(out.parent)
    place = written_folder(out, overwrite=overwrite) if kind.fills_folder else replace_atomically(out)
    with place as temporary:
        kind.write(counted, temporary)
    return tally


def with_categories(clips: Sequence[Clip], categories: Mapping[int, str]) -> list[Clip]:
    """The clips with these categories by id, in place of their own."""
    return [replace(clip, categories={**clip.categories, **categories}) for clip in clips]


def numbered(clips: Sequence[Clip]) -> list[Clip]:
    """The clips with frames called by the numbers at the end of their names, as those of a video are.

    Raises:
        AnnotationError: one has no number.
    """
    return [replace(clip, frames=tuple(map(_numbered, clip.frames))) for clip in clips]


def _numbered(frame: AnnotatedFrame) -> AnnotatedFrame:
    found = _NUMBER.search(frame.name)
    if found is None:
        raise AnnotationError(
            f"The frame {shown(frame.name)} has no number.", expected="a name that ends in one"
        )
    return replace(frame, name=found.group(1))


class _Counter:
    """Counts what a clip's frames hold while they are written, and tells of what gets lost."""

    def __init__(self, tally: Tally, clip: str, kind: AnnotationFormat) -> None:
        self._own = tally.objects.setdefault(clip, set())
        self._tally, self._clip, self._told = tally, clip, kind.keeps_ignored

    def counted(self, clip: Clip) -> Clip:
        self._tally.frames += len(clip.frames)
        return replace(clip, frames=tuple(map(self._frame, clip.frames)))

    def _frame(self, frame: AnnotatedFrame) -> AnnotatedFrame:
        def label() -> LabelMap:
            found = frame.label()
            self._own.update(object_ids(found))
            if not self._told and np.any(found == IGNORE):
                self._told = True
                logger.warning(
                    "%s: pixels to ignore (255) have no place in the format, and are left out.", self._clip
                )
            return found

        return replace(frame, label=label)
