"""Clicks and boxes as a network takes them: points in pixels of its input, each with what it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ermu.errors import PromptError
from ermu.runtime.images.prompter import Box, Point, check_points
from ermu.runtime.memory.objects.bank import Single

_OFF, _ON, _TOP_LEFT, _BOTTOM_RIGHT = 0.0, 1.0, 2.0, 3.0  # `Role.POINT_SIGNS`
Hint = Box | Sequence[Point]


@dataclass(frozen=True)
class Clicks:
    """What somebody says of one object on a frame.

    Attributes:
        points: K x 2, x and y in pixels of the network's input.
        signs: K, what each is (`Role.POINT_SIGNS`).
        hint: What was said, in pixels of the frame.
    """

    points: Single
    signs: Single
    hint: Hint

    @classmethod
    def of(
        cls, hint: Hint, source_hw: tuple[int, int], network_hw: tuple[int, int], *, positive: bool
    ) -> Clicks:
        """A box, or points, of a frame.

        Args:
            hint: In pixels of the frame.
            source_hw: The frame's size.
            network_hw: The network's.
            positive: Whether one of the points has to lie on the object.

        Raises:
            PromptError: a point lies outside the frame, there is none, or the box covers nothing of it.
        """
        scale = np.array(network_hw[::-1]) / np.array(source_hw[::-1])
        if isinstance(hint, Box):
            corners, signs = _corners(hint, source_hw), [_TOP_LEFT, _BOTTOM_RIGHT]
        else:
            check_points(source_hw, hint, positive=positive)
            corners = [(point.x, point.y) for point in hint]
            signs = [_ON if point.positive else _OFF for point in hint]
        return cls(np.asarray(corners * scale, np.float32), np.asarray(signs, np.float32), hint)

    def unseen(self) -> PromptError:
        """The error where the network sees no object, of which this was said."""
        if isinstance(self.hint, Box):
            return PromptError(
                f"The network sees no object in the box {self.hint}.",
                fix="draw it closer around the object, or click on the middle of it",
            )
        on = [point for point in self.hint if point.positive] or self.hint
        places = ", ".join(f"({point.x:g}, {point.y:g})" for point in on)
        return PromptError(
            f"The network sees no object at {places}.",
            fix="click on the middle of it, or draw a box around it",
        )


def _corners(box: Box, source_hw: tuple[int, int]) -> list[tuple[float, float]]:
    """A box's corners, within the frame."""
    height, width = source_hw
    x0, x1 = (min(max(x, 0.0), width) for x in (box.x0, box.x1))
    y0, y1 = (min(max(y, 0.0), height) for y in (box.y0, box.y1))
    if x1 <= x0 or y1 <= y0:
        raise PromptError(
            f"The box {box} covers nothing of the frame, {width}x{height}.",
            expected="x0, y0, x1, y1 in pixels of the frame",
            fix="draw it around the object",
        )
    return [(x0, y0), (x1, y1)]
