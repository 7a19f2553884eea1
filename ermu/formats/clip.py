"""Annotations as every format reads and writes them: clips of frames, each with a label map."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from ermu.errors import AnnotationError
from ermu.runtime.files import few, natural_key, shown
from ermu.types import LabelMap

UNNAMED = "object"  # the category of what has none
LARGEST_IMAGE = 1 << 28  # pixels: beyond, a size is a mistake


@dataclass(frozen=True)
class AnnotatedFrame:
    """A frame and what is on it.

    Attributes:
        name: Of its label map, without a suffix: as `ermu run` calls the frame.
        image: Its picture's file name, without folders.
        hw: Height and width.
        label: Makes the label map, uint8 H x W: 0 background, 1 to 254 objects, 255 ignored.
    """

    name: str
    image: str
    hw: tuple[int, int]
    label: Callable[[], LabelMap]


@dataclass(frozen=True)
class Clip:
    """Frames whose ids mean the same objects, in order.

    Attributes:
        name: A folder's name.
        frames: At least one.
        categories: Of objects that have one, by id.
    """

    name: str
    frames: tuple[AnnotatedFrame, ...]
    categories: Mapping[int, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        times = Counter(frame.name for frame in self.frames)
        if twice := [name for name, count in times.items() if count > 1]:
            raise AnnotationError(
                f"{len(twice)} frames of {shown(self.name)} have one name: {few(twice)}.",
                expected="names that differ without folder and suffix",
            )

    def category(self, object_id: int) -> str:
        """An object's category, `object` where it has none."""
        return self.categories.get(object_id, UNNAMED)


def in_clips(files: Sequence[str], default: str) -> dict[str, list[int]]:
    """Places of image files, in natural order, by the folder they lie in, whose last part names the clip.

    Args:
        files: As an annotation file has them: with any folders, of any system.
        default: Name of the clip of those in none.
    """
    folders: dict[PurePosixPath, list[int]] = {}
    ordered = sorted(range(len(files)), key=lambda place: natural_key(PurePosixPath(file_name(files[place]))))
    for place in ordered:
        file = files[place]
        folders.setdefault(PurePosixPath(file.replace("\\", "/")).parent, []).append(place)
    clips: dict[str, list[int]] = {}
    for folder, places in folders.items():
        name = own = clip_name(folder.name or default)
        count = 1
        while name in clips:
            count += 1
            name = f"{own}-{count}"
        clips[name] = places
    return clips


def clip_name(name: str) -> str:
    """A name that is a folder's, whatever an annotation file says."""
    name = PurePosixPath(name.replace("\\", "/")).name.replace("\0", "")
    return "clip" if name in ("", ".", "..") else name


def file_name(image: str) -> str:
    """An image's file name without its folders."""
    return PurePosixPath(image.replace("\\", "/")).name


def frame_name(image: str) -> str:
    """A frame's name by its image's.

    Raises:
        AnnotationError: it has none.
    """
    name = PurePosixPath(file_name(image)).stem
    if name in ("", ".", "..") or "\0" in name:
        raise AnnotationError(f"An image is called {image!r}.", expected="a file's name")
    return name


def paths_of(clips: Sequence[Clip]) -> Iterator[tuple[Clip, AnnotatedFrame, str]]:
    """Every frame, with its image's path: in a folder named after the clip where there are several."""
    for clip in clips:
        for frame in clip.frames:
            yield clip, frame, f"{clip.name}/{frame.image}" if len(clips) > 1 else frame.image


def image_size(height: object, width: object, what: str) -> tuple[int, int]:
    """Height and width as an annotation file says them.

    Raises:
        AnnotationError: they are no size of an image.
    """
    sides = (_side(height), _side(width))
    if not 0 < sides[0] * sides[1] <= LARGEST_IMAGE:
        raise AnnotationError(
            f"{what} is said to be {width!r} wide and {height!r} high.",
            expected=f"whole numbers of pixels, {LARGEST_IMAGE:,} in all at most",
        )
    return sides


def _side(side: object) -> int:
    """A positive whole number, whichever way it is written; 0 for whatever is none."""
    if isinstance(side, str):
        return int(side) if side.isdecimal() and len(side) < 10 else 0
    if isinstance(side, float) and side.is_integer():
        side = int(side)
    return max(side, 0) if isinstance(side, int) and not isinstance(side, bool) else 0
