"""How MOTS numbers classes, objects and frames."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from ermu.errors import AnnotationError
from ermu.formats.clip import Clip
from ermu.formats.shapes import DrawnFrame, Shape
from ermu.runtime.images.labels import IGNORE
from ermu.types import Mask

IGNORED_CLASS = 10
LARGEST_CLASS = 64  # an id is written in 16 bits
_A_CLASS = 1000
_CLASSES = {"car": 1, "pedestrian": 2, "person": 2}
_NAMES = {1: "car", 2: "pedestrian"}


def split_id(value: int) -> tuple[int, int]:
    """The class and the object's number in it."""
    return value // _A_CLASS, value % _A_CLASS


def shape_of(own: int, number: int, mask: Callable[[], Mask]) -> Shape:
    """An object's shape, of a class and a number in it; pixels to ignore have a class of their own."""
    if own == IGNORED_CLASS:
        return Shape(mask, ignored=True)
    return Shape(mask, (own, number), _NAMES.get(own, f"class {own}"), number)


def frame_of(name: str, hw: tuple[int, int], shapes: Iterable[Shape]) -> DrawnFrame:
    """A frame with its shapes; objects are drawn over the pixels to ignore."""
    return DrawnFrame(f"{name}.jpg", hw, sorted(shapes, key=lambda shape: not shape.ignored))


class ClassNumbers:
    """Classes of MOTS by category: its own, and further ones from 3 on as they come."""

    def __init__(self) -> None:
        self._known = dict(_CLASSES)

    def of(self, clip: Clip, value: int) -> tuple[int, int]:
        """Class and id of an object, or of the pixels to ignore.

        Raises:
            AnnotationError: there are more classes than MOTS can number.
        """
        if value == IGNORE:
            return IGNORED_CLASS, IGNORED_CLASS * _A_CLASS
        category = clip.category(value)
        if category not in self._known:
            free = (i for i in range(3, LARGEST_CLASS + 1) if i not in (IGNORED_CLASS, *self._known.values()))
            number = next(free, None)
            if number is None:
                raise AnnotationError("There are more than 63 categories.", expected="at most 63 in MOTS")
            self._known[category] = number
        own = self._known[category]
        return own, own * _A_CLASS + value


def frame_numbers(clip: Clip) -> list[int]:
    """A number for each frame: those that are their names, else counted from 0."""
    names = [frame.name for frame in clip.frames]
    if all(name.isdecimal() for name in names) and len({int(name) for name in names}) == len(names):
        return [int(name) for name in names]
    return list(range(len(names)))
