"""From a box or clicks to a mask: GrabCut by default, behind an interface that a network can fill."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import cv2
import numpy as np
import numpy.typing as npt

from ermu.errors import PromptError
from ermu.types import Image, LabelMap, Mask

_WORK_EDGE = 320  # GrabCut runs at this long edge: its time does not depend on the camera
_ITERATIONS = 4


@dataclass(frozen=True)
class Box:
    """Pixels x0 <= x < x1, y0 <= y < y1 of a frame.

    Raises:
        PromptError: it ends before it begins. Sorted corners would be another box than the one that was
            meant where width and height were given in place of x1 and y1.
    """

    x0: float
    y0: float
    x1: float
    y1: float

    def __post_init__(self) -> None:
        if self.x1 < self.x0 or self.y1 < self.y0:
            x1, y1 = self.x0 + max(self.x1, 0), self.y0 + max(self.y1, 0)
            raise PromptError(
                f"The box {self} ends before it begins.",
                expected="x0, y0, x1, y1, two corners: x0 <= x1 and y0 <= y1",
                fix=f"swap the corners, or give {self.x0:g},{self.y0:g},{x1:g},{y1:g} if width and height "
                "were meant",
            )

    def __str__(self) -> str:
        return f"({self.x0:g}, {self.y0:g}, {self.x1:g}, {self.y1:g})"


@dataclass(frozen=True)
class Point:
    """A click: on the object, or where it is not."""

    x: float
    y: float
    positive: bool = True


class Prompter(Protocol):
    """Turns a user's hint into a mask; may be called from any thread."""

    def from_box(self, frame: Image, box: Box) -> Mask:
        """The object in a box.

        Args:
            frame: BGR uint8 H x W x 3.
            box: Around the object.

        Returns:
            bool H x W, with at least one pixel.

        Raises:
            PromptError: the box holds no object, or lies outside the frame.
        """

    def from_points(self, frame: Image, points: Sequence[Point]) -> Mask:
        """The object under the positive points; arguments and errors as `from_box`."""

    def corrected(self, frame: Image, mask: Mask, hint: Box | Sequence[Point]) -> Mask:
        """An object whose mask was wrong: in a box, or with positive points on it and negative ones off it.

        Args:
            frame: BGR uint8 H x W x 3.
            mask: bool H x W, what was found; may be empty.
            hint: A box around it, or at least one point; of an empty mask, at least one positive.

        Returns:
            bool H x W, with at least one pixel.

        Raises:
            PromptError: a point lies outside the frame, or nothing is left or found.
        """


class GrabCutPrompter:
    """GrabCut by colour: needs no network, and a hint that is roughly right."""

    def from_box(self, frame: Image, box: Box) -> Mask:
        """The object in a box, or the box itself where nothing in it stands out from its surroundings."""
        found, inside = self._in_box(frame, box)
        return inside if _is_little(found, inside) else found

    def _in_box(self, frame: Image, box: Box) -> tuple[Mask, Mask]:
        """What stands out in a box, and the box."""
        height, width = frame.shape[:2]
        x0, x1 = (min(max(x, 0), width) for x in (box.x0, box.x1))
        y0, y1 = (min(max(y, 0), height) for y in (box.y0, box.y1))
        if x1 - x0 < 4 or y1 - y0 < 4:
            raise PromptError(
                f"The box {box} covers less than 4 x 4 pixels of the frame, {width}x{height}.",
                expected="x0, y0, x1, y1 in pixels of the frame",
                fix="draw it around the object",
            )
        small, scale = _reduced(frame)
        trimap = np.full(small.shape[:2], cv2.GC_BGD, np.uint8)
        left, top = int(x0 * scale), int(y0 * scale)
        right, bottom = max(left + 2, round(x1 * scale)), max(top + 2, round(y1 * scale))
        trimap[top:bottom, left:right] = cv2.GC_PR_FGD
        mask = _grab_cut(small, trimap, (width, height))
        inside = np.zeros_like(mask)
        inside[int(y0) : int(np.ceil(y1)), int(x0) : int(np.ceil(x1))] = True
        return mask & inside, inside

    def from_points(self, frame: Image, points: Sequence[Point]) -> Mask:
        height, width = frame.shape[:2]
        check_points(frame.shape[:2], points, positive=True)
        small, scale = _reduced(frame)
        trimap = np.full(small.shape[:2], cv2.GC_BGD, np.uint8)
        reach = max(small.shape[:2]) // 5
        positive = [point for point in points if point.positive]
        for point in positive:
            _disk(trimap, point, scale, reach, cv2.GC_PR_BGD)
        for point in positive:
            _disk(trimap, point, scale, reach // 2, cv2.GC_PR_FGD)
        for point in points:
            _disk(trimap, point, scale, max(2, reach // 12), cv2.GC_FGD if point.positive else cv2.GC_BGD)
        mask = _grab_cut(small, trimap, (width, height))
        hint = np.zeros(mask.shape, np.uint8)
        for point in positive:
            _disk(hint, point, 1.0, 3, 1)
        return _touching(mask, hint > 0)

    def corrected(self, frame: Image, mask: Mask, hint: Box | Sequence[Point]) -> Mask:
        """GrabCut in the box, or around the points; elsewhere the mask stays as it was.

        A part of the mask with a negative point on it and no positive one goes altogether, and where every
        positive point lies apart from the mask, the object is there instead of here.
        """
        if isinstance(hint, Box):
            return self._found_in(frame, hint)
        points = hint
        check_points(frame.shape[:2], points, positive=not mask.any())
        refused = _refused(mask, points)
        mask = mask & ~refused
        small, scale = _reduced(frame)
        hw, reach = small.shape[:2], max(small.shape[:2]) // 5
        held, gone = (
            cv2.resize(part.astype(np.uint8), hw[::-1], interpolation=cv2.INTER_NEAREST) > 0
            for part in (mask, refused)
        )
        near = _disks(hw, points, scale, reach)
        trimap = np.where(near, cv2.GC_PR_BGD, cv2.GC_BGD).astype(np.uint8)
        positive = [point for point in points if point.positive]
        missed = [point for point in positive if not held[int(point.y * scale), int(point.x * scale)]]
        trimap[_disks(hw, missed, scale, reach // 2)] = cv2.GC_PR_FGD
        trimap[held] = np.where(near, cv2.GC_PR_FGD, cv2.GC_FGD)[held]
        trimap[gone] = cv2.GC_FGD  # it was taken for the object, so it looks like it
        for point in points:
            _disk(trimap, point, scale, max(2, reach // 12), cv2.GC_FGD if point.positive else cv2.GC_BGD)
        if not np.isin(trimap, (cv2.GC_FGD, cv2.GC_PR_FGD)).any():
            raise _nothing_left()
        found = _grab_cut(small, trimap, (mask.shape[1], mask.shape[0]))
        around = _disks(mask.shape, points, 1.0, round(reach / scale))
        return _meant(np.where(around, found, mask) & ~refused, mask, points)

    def _found_in(self, frame: Image, box: Box) -> Mask:
        """What stands out in a box: an object that is known is not replaced by the box itself."""
        found, inside = self._in_box(frame, box)
        if _is_little(found, inside):
            raise PromptError(
                f"Nothing in the box {box} stands out from what is around it.",
                expected="a box with the object in it, and some of its surroundings",
                fix="draw it anew, or click on the object",
            )
        return found


def check_points(frame_hw: tuple[int, ...], points: Sequence[Point], *, positive: bool) -> None:
    """Refuses points that say nothing of an object on a frame.

    Args:
        frame_hw: The frame's height and width.
        points: In its pixels.
        positive: Whether one of them has to lie on the object.

    Raises:
        PromptError: there is none, none lies on the object, or one lies outside the frame.
    """
    height, width = frame_hw
    if not points or (positive and not any(point.positive for point in points)):
        raise PromptError(
            "No point lies on the object.", expected="at least one positive point", fix="click on the object"
        )
    outside = [point for point in points if not (0 <= point.x < width and 0 <= point.y < height)]
    if outside:
        raise PromptError(
            f"The point ({outside[0].x:g}, {outside[0].y:g}) lies outside the frame, {width}x{height}.",
            expected=f"0 <= x < {width}, 0 <= y < {height}",
            fix="give pixels of the frame, not shares of it or pixels of a window",
        )


def _nothing_left() -> PromptError:
    return PromptError(
        "Nothing is left of the object.",
        fix="click on it where it is, or remove it",
    )


def _reduced(frame: Image) -> tuple[LabelMap, float]:
    scale = min(1.0, _WORK_EDGE / max(frame.shape[:2]))
    size = max(8, round(frame.shape[1] * scale)), max(8, round(frame.shape[0] * scale))
    return cv2.resize(frame, size, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False), scale


def _disk(target: LabelMap, point: Point, scale: float, radius: int, value: int) -> None:
    cv2.circle(target, (int(point.x * scale), int(point.y * scale)), radius, value, thickness=-1)


def _disks(hw: tuple[int, ...], points: Sequence[Point], scale: float, radius: int) -> Mask:
    target = np.zeros(hw[:2], np.uint8)
    for point in points:
        _disk(target, point, scale, radius, 1)
    covered: Mask = target > 0
    return covered


def _grab_cut(frame: Image, trimap: LabelMap, size: tuple[int, int]) -> Mask:
    """GrabCut's foreground at the given (width, height)."""
    models: list[npt.NDArray[Any]] = [np.zeros((1, 65)), np.zeros((1, 65))]
    if not (trimap == cv2.GC_BGD).any():  # a hint that covers everything leaves no background to learn from
        trimap[[0, -1]] = trimap[:, [0, -1]] = cv2.GC_BGD
    cv2.setRNGSeed(0)  # its clusters begin at random: the same hint gives the same mask
    cv2.grabCut(frame, trimap, None, *models, _ITERATIONS, cv2.GC_INIT_WITH_MASK)  # type: ignore[call-overload]
    found = ((trimap == cv2.GC_FGD) | (trimap == cv2.GC_PR_FGD)).astype(np.uint8)
    mask: Mask = cv2.resize(found, size, interpolation=cv2.INTER_NEAREST) > 0
    return mask


def _touching(mask: Mask, hint: Mask) -> Mask:
    """The connected parts of a mask that the hint touches, and the hint."""
    _, parts = cv2.connectedComponents((mask | hint).astype(np.uint8))
    wanted: Mask = np.isin(parts, np.unique(parts[hint]))
    return wanted


def _refused(mask: Mask, points: Sequence[Point]) -> Mask:
    """The connected parts of a mask with a negative point on them and no positive one; not all of it."""
    positive, negative = (
        _disks(mask.shape, [point for point in points if point.positive is sign], 1.0, 3) & mask
        for sign in (True, False)
    )
    _, parts = cv2.connectedComponents(mask.astype(np.uint8))
    against = set(np.unique(parts[negative])) - set(np.unique(parts[positive]))
    refused: Mask = np.isin(parts, sorted(against))
    elsewhere = any(point.positive for point in points) or (mask & ~refused).any()
    return refused if elsewhere else np.zeros_like(mask)


def _meant(found: Mask, before: Mask, points: Sequence[Point]) -> Mask:
    """The connected parts that a positive point or, unless these lie apart, the mask before touches."""
    positive = _disks(found.shape, [point for point in points if point.positive], 1.0, 3)
    _, parts = cv2.connectedComponents((found | positive).astype(np.uint8))
    wanted = np.isin(parts, np.unique(parts[positive]))
    if not wanted.any() or (wanted & before).any():
        wanted |= np.isin(parts, np.unique(parts[found & before]))
    if not wanted.any():
        raise _nothing_left()
    return np.asarray(wanted, np.bool_)


def _is_little(found: Mask, inside: Mask) -> bool:
    """Whether next to nothing of a box was found."""
    return bool(np.count_nonzero(found) < 0.02 * np.count_nonzero(inside))
