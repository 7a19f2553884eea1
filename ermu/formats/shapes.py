"""Shapes as other tools draw them, numbered as objects and painted into label maps."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ermu.errors import AnnotationError
from ermu.formats.clip import UNNAMED, AnnotatedFrame, Clip, file_name, frame_name
from ermu.runtime.images.labels import IGNORE
from ermu.types import LabelMap, Mask

MOST = 254

logger = logging.getLogger("ermu.formats")


@dataclass(frozen=True)
class Shape:
    """One object on one frame.

    Attributes:
        mask: Makes it, bool H x W.
        key: Which object it is; None where the file does not say.
        category: Of the object; None where the file does not say.
        number: The id that the object would have by the file's own numbers.
        ignored: It is no object: its pixels are to be ignored.
    """

    mask: Callable[[], Mask]
    key: Hashable = None
    category: str | None = None
    number: int | None = None
    ignored: bool = False


@dataclass(frozen=True)
class DrawnFrame:
    """A frame with its shapes, those above last.

    Attributes:
        image: Its file, with folders or without.
        hw: Height and width.
        shapes: In the order in which they are painted.
        name: Where it is not the image's.
    """

    image: str
    hw: tuple[int, int]
    shapes: Sequence[Shape]
    name: str | None = None


def drawn_clip(name: str, frames: Sequence[DrawnFrame]) -> Clip:
    """A clip of shapes, with an id for each object.

    Raises:
        AnnotationError: two frames have one name, or there are too many objects.
    """
    numbers = identified(name, [frame.shapes for frame in frames])
    categories = {
        number: shape.category
        for frame, own in zip(frames, numbers, strict=True)
        for shape, number in zip(frame.shapes, own, strict=True)
        if shape.category not in (None, UNNAMED, f"{number}") and not shape.ignored
    }
    paint = _Painter(name)
    annotated = [
        AnnotatedFrame(
            frame.name or frame_name(frame.image),
            file_name(frame.image),
            frame.hw,
            lambda frame=frame, own=own: paint(frame, own),  # type: ignore[misc]
        )
        for frame, own in zip(frames, numbers, strict=True)
    ]
    return Clip(name, tuple(annotated), categories)


def identified(clip: str, frames: Sequence[Sequence[Shape]]) -> list[list[int]]:
    """An id, 1 to 254, for every shape of every frame: the same where it is the same object.

    Numbers of the file's own stay where they are such ids; else objects are numbered in their order. Shapes
    without a key are told apart by category where no frame has two of one, else frame by frame in their
    order. What changes is said in the log.

    Args:
        clip: Its name, for messages.
        frames: Their shapes.

    Raises:
        AnnotationError: they are too many.
    """
    identities = [[_identity(shape) for shape in frame] for frame in frames]
    if any(_has_two_of_one_category(frame) for frame in identities):
        logger.warning(
            "%s: nothing says which object a shape is, and a frame has several of one category: they are "
            "numbered in each frame by their order, and one id in two frames need not be one object.",
            clip,
        )
        identities = [_by_order(frame) for frame in identities]
    wanted: dict[_Identity, int | None] = {}
    for frame, own in zip(frames, identities, strict=True):
        for shape, identity in zip(frame, own, strict=True):
            if not shape.ignored:
                wanted.setdefault(identity, None if identity[0] == "order" else shape.number)
    if len(wanted) > MOST:
        raise AnnotationError(
            f"{clip} has {len(wanted)} objects.", expected=f"at most {MOST}, the ids of a label map"
        )
    numbers = {**_numbered(wanted, clip), ("ignored", None): IGNORE}
    return [[numbers[identity] for identity in own] for own in identities]


_Identity = tuple[str, Hashable]


def _identity(shape: Shape) -> _Identity:
    if shape.ignored:
        return ("ignored", None)
    return ("category", shape.category) if shape.key is None else ("key", shape.key)


def _has_two_of_one_category(frame: Sequence[_Identity]) -> bool:
    return any(times > 1 for (kind, _), times in Counter(frame).items() if kind == "category")


def _by_order(frame: Sequence[_Identity]) -> list[_Identity]:
    order = iter(range(len(frame)))
    return [("order", next(order)) if kind == "category" else (kind, key) for kind, key in frame]


def _numbered(wanted: Mapping[_Identity, int | None], clip: str) -> dict[_Identity, int]:
    """Ids as wanted, where those that want one can have it; the lowest free ones for the others."""
    given = {identity: number for identity, number in wanted.items() if number is not None}
    if len(set(given.values())) < len(given) or not all(1 <= number <= MOST for number in given.values()):
        logger.warning("%s: its ids do not fit a label map, and are numbered anew, in their order.", clip)
        given = {}
    taken = set(given.values())
    free = (number for number in range(1, MOST + 1) if number not in taken)
    return {identity: given[identity] if identity in given else next(free) for identity in wanted}


class _Painter:
    """Paints a clip's frames; the first time that one object covers another is told."""

    def __init__(self, clip: str) -> None:
        self._clip, self._told = clip, False

    def __call__(self, frame: DrawnFrame, numbers: Sequence[int]) -> LabelMap:
        label: LabelMap = np.zeros(frame.hw, np.uint8)
        for shape, number in zip(frame.shapes, numbers, strict=True):
            mask = shape.mask()
            covered = np.count_nonzero(mask & (label != 0) & (label != number) & (label != IGNORE))
            if covered and not self._told:
                self._told = True
                logger.warning(
                    "%s: objects overlap, by %d pixels on the frame %s: the later one has them. A pixel of a "
                    "label map has one id. Further frames are not told.",
                    self._clip,
                    covered,
                    file_name(frame.image),
                )
            label[mask] = number
        return label
