"""Boxes and classes from a detector, and which of them become objects."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ermu.errors import OptionError, PromptError
from ermu.runtime.images.masks import XYXY, overlap
from ermu.runtime.images.prompter import Box
from ermu.runtime.prompts import AddDetections, Prompts
from ermu.runtime.sources.base import Frame
from ermu.types import Image, LabelMap, Mask

MODES = NEW, FIRST, ALL = ("new", "first", "all")

Detector = Callable[[Image], "Iterable[Detection]"]
FromBox = Callable[[Image, Box], Mask]  # `Prompter.from_box`
Held = Sequence[tuple[int, XYXY]]  # ids with boxes


@dataclass(frozen=True)
class Detection:
    """What a detector has found on a frame.

    Attributes:
        box: Around it, in pixels of the frame.
        name: Its class, say; the object is called so.
        mask: bool H x W, from a detector that segments; otherwise the prompter makes it of the box.
    """

    box: Box
    name: str | None = None
    mask: Mask | None = None


@dataclass(frozen=True)
class Intake:
    """Which detections become objects.

    Attributes:
        mode: `new`: those that no object is where they are; `first`: all, while nothing is followed yet;
            `all`: every one.
        every: Frames from one time that detections are taken to the next; those between are left.
        overlap: Intersection over union of boxes, or else of masks, above 0 to 1, from which a detection is
            an object that is followed already, or one that came before it in the same call.

    Raises:
        OptionError: an unknown mode, or a number out of its range.
    """

    mode: str = NEW
    every: int = 1
    overlap: float = 0.3

    def __post_init__(self) -> None:
        if self.mode not in MODES:
            raise OptionError(f"Unknown mode '{self.mode}'.", expected=", ".join(MODES))
        if not isinstance(self.every, int) or self.every < 1:
            raise OptionError(f"every is {self.every!r}.", expected="a whole number of frames, at least 1")
        if not 0 < self.overlap <= 1:
            raise OptionError(f"overlap is {self.overlap}.", expected="above 0, at most 1")

    def due(self, frame: int, taken: int | None, followed: int) -> bool:
        """Whether a frame's detections are taken, the last ones having been those of frame `taken`."""
        if self.mode == FIRST and followed:
            return False
        return taken is None or self.every == 1 or not 0 <= frame - taken < self.every

    def match(self, detections: Sequence[Detection], held: Held) -> list[int]:
        """For every detection the id of the object that it is, or -1 - i where it is what detection i is.

        Args:
            detections: Of one frame.
            held: Objects that are followed, with their boxes there.

        Returns:
            A number a detection; -1 - i of detection i itself means that it is new.
        """
        known, found = list(held), list[int]()
        for i, detection in enumerate(detections):
            box, own = whole(detection.box), -1 - i
            best = max(((overlap(box, other), other_id) for other_id, other in known), default=(0.0, own))
            same = self.mode != ALL and best[0] >= self.overlap
            found.append(best[1] if same else own)
            if not same:
                known.append((own, box))
        return found

    def same(self, masks: Mapping[int, Mask], label: LabelMap) -> dict[int, int]:
        """Of these masks those that an object has already, with its id: a box says little of a mask in it.

        Args:
            masks: By index.
            label: uint8 H x W, the objects that are followed.
        """
        if self.mode == ALL:
            return {}
        best = {i: alike(mask, label) for i, mask in masks.items()}
        return {i: object_id for i, (share, object_id) in best.items() if share >= self.overlap}


class Reseeder(Prompts):
    """Asks a detector every few frames, and has what is new followed: `Pipeline.run(Reseeder(detector))`.

    Args:
        detector: Called with a BGR frame by the stream's worker, which waits for it: detections come
            exactly on their frame.
        every: Frames from one call to the next, the first frame being the first.
        mode: As of `Intake`; with `first` it is called no more once something is followed.
        overlap: As of `Intake`.

    Raises:
        OptionError: as `Intake`.
    """

    def __init__(self, detector: Detector, *, every: int = 30, mode: str = NEW, overlap: float = 0.3) -> None:
        self._detector, self._intake = detector, Intake(mode, every, overlap)
        self._asked: int | None = None

    def take(self, frame: Frame) -> LabelMap | None:
        """See `Prompts.take`: what it finds comes after the frame has been segmented."""
        return None

    def after(self, frame: Frame, number: int, followed: int, add: AddDetections) -> bool:
        """See `Prompts.after`."""
        if not self._intake.due(number, self._asked, followed):
            return False
        self._asked = number
        try:
            found = list(self._detector(frame.image))
        except Exception as error:
            raise PromptError(f"The detector has failed on frame {number}: {error}") from error
        add(found, mode=self._intake.mode, overlap=self._intake.overlap)
        return True


def whole(box: Box) -> XYXY:
    """A box's pixels, rounded outwards."""
    return int(np.floor(box.x0)), int(np.floor(box.y0)), int(np.ceil(box.x1)), int(np.ceil(box.y1))


def mask_of(detection: Detection, image: Image, from_box: FromBox) -> Mask | None:
    """Where a detection's object is; None where there is nothing that can be followed.

    Raises:
        PromptError: it has a mask that does not fit the frame.
    """
    if detection.mask is not None:
        if detection.mask.shape != image.shape[:2]:
            raise PromptError(
                f"A detection's mask is {detection.mask.shape}.", expected=f"bool {image.shape[:2]}"
            )
        return detection.mask.astype(bool) if detection.mask.any() else None
    try:
        return from_box(image, detection.box)
    except PromptError:  # too small, or outside: detectors report such at a frame's border
        return None


def alike(mask: Mask, label: LabelMap) -> tuple[float, int]:
    """The object whose mask is most like this one: intersection over union, and its id; 0 where none is."""
    inside = np.bincount(label[mask], minlength=256)
    inside[[0, 255]] = 0
    best = int(inside.argmax())
    union = np.count_nonzero(mask) + np.count_nonzero(label == best) - int(inside[best])
    return (float(inside[best] / union), best) if best else (0.0, 0)


def painted(masks: dict[int, Mask], shape: tuple[int, int]) -> LabelMap:
    """A label map of masks by id, the smaller on the larger."""
    label: LabelMap = np.zeros(shape, np.uint8)
    for object_id in sorted(masks, key=lambda i: -np.count_nonzero(masks[i])):
        label[masks[object_id]] = object_id
    return label
