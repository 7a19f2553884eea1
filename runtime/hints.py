"""Boxes and clicks as prompts: what a user can say of a first frame without drawing a label map."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ermu.errors import PromptError
from ermu.runtime.images.labels import MAX_OBJECTS
from ermu.runtime.images.prompter import Box, GrabCutPrompter, Point, Prompter
from ermu.runtime.prompts import Prompts
from ermu.runtime.sources.base import Frame
from ermu.types import LabelMap, Mask

Hint = Box | Point


class Hints(Prompts):
    """One object a hint, numbered from 1 in their order, all on the first frame.

    Args:
        hints: In pixels of the frame.
        prompter: Turns them into masks; default, the network where it takes them, else GrabCut.

    Raises:
        PromptError: there are more than can be followed.
    """

    def __init__(self, hints: Sequence[Hint], prompter: Prompter | None = None) -> None:
        if len(hints) > MAX_OBJECTS:
            raise PromptError(
                f"{len(hints)} boxes and points are too many.", expected=f"at most {MAX_OBJECTS}"
            )
        self._hints, self._prompter = list(hints), prompter

    def for_network(self) -> list[Hint]:
        """The hints, for a network that takes them as they are; they are then taken. None with a prompter."""
        if self._prompter is not None:
            return []
        hints, self._hints = self._hints, []
        return hints

    def take(self, frame: Frame) -> LabelMap | None:
        """See `Prompts.take`; where two masks overlap, the later one has the pixels."""
        hints, self._hints = self._hints, []
        if not hints:
            return None
        label: LabelMap = np.zeros(frame.shape[:2], np.uint8)
        for object_id, hint in enumerate(hints, start=1):
            label[self._mask(frame, hint)] = object_id
        for object_id, hint in enumerate(hints, start=1):
            if not np.any(label == object_id):
                raise PromptError(f"{hint} is covered by those after it.", expected="objects side by side")
        return label

    def _mask(self, frame: Frame, hint: Hint) -> Mask:
        prompter = self._prompter or GrabCutPrompter()
        if isinstance(hint, Box):
            return prompter.from_box(frame.image, hint)
        return prompter.from_points(frame.image, [hint])


def parse_box(text: str) -> Box:
    """`x0,y0,x1,y1` in pixels.

    Raises:
        PromptError: it is something else.
    """
    return Box(*_numbers(text, 4, "a box", "x0,y0,x1,y1"))


def parse_point(text: str) -> Point:
    """`x,y` in pixels, on the object.

    Raises:
        PromptError: it is something else.
    """
    x, y = _numbers(text, 2, "a point", "x,y")
    return Point(x, y)


def _numbers(text: str, count: int, what: str, form: str) -> list[float]:
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError:
        numbers = []
    if len(numbers) != count or not np.all(np.isfinite(numbers)):
        raise PromptError(f"'{text}' is not {what}.", expected=f"{form} in pixels of the first frame")
    return numbers
