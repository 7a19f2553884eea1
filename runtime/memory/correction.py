"""A correction of what is remembered: which memory frames leave, and what it takes to undo it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Generic, TypeVar

import cv2
import numpy as np
import numpy.typing as npt

from ermu.devices.tensor import DeviceTensor
from ermu.errors import StateError
from ermu.runtime.memory.cohorts.cohort import Cohort, Tensors
from ermu.types import Array, LabelMap, Mask

UNDOABLE = 3  # corrections of a segmenter: each keeps a bank
MISSED = 0.25  # of an object is enough of it to ask about that part alone
MOST_ASKED = 32  # memory frames, the newest: an unbounded bank may hold thousands


Memory = TypeVar("Memory")


@dataclass(frozen=True, eq=False)
class Correction(Generic[Memory]):
    """What was there before a correction.

    Attributes:
        object_id: The corrected object.
        group: Number of its group.
        memory: The group's.
        logits: Of the latest frame, those of the group.
        frame: Number of that frame.
        label: Its label map, H x W.
        ids: Of all objects.
    """

    object_id: int
    group: int
    memory: Memory
    logits: DeviceTensor
    frame: int
    label: LabelMap
    ids: list[int]


class Corrections(Generic[Memory]):
    """The latest corrections, newest last; an older one is forgotten, and its memory freed."""

    def __init__(self) -> None:
        self._held: deque[Correction[Memory]] = deque(maxlen=UNDOABLE)

    def add(self, correction: Correction[Memory]) -> None:
        """Takes one in."""
        self._held.append(correction)

    def take(self, object_id: int, group: int) -> Correction[Memory]:
        """The latest of a group, which is not held any longer.

        Raises:
            StateError: there is none, or it was another object's: the two share a memory.
        """
        own = [correction for correction in self._held if correction.group == group]
        if not any(correction.object_id == object_id for correction in own):
            raise StateError(
                f"No correction of object {object_id} can be undone.",
                expected=f"one of the latest {UNDOABLE}, with no other policy and no restart since",
                fix="correct it anew",
            )
        latest = own[-1]
        if latest.object_id != object_id:
            raise StateError(
                f"Object {latest.object_id}, which shares its memory, was corrected since.",
                fix=f"undo that of object {latest.object_id} first",
            )
        self._held.remove(latest)
        return latest

    def keep(self, groups: Collection[int]) -> None:
        """Forgets those of every other group."""
        self._held = deque((c for c in self._held if c.group in groups), maxlen=UNDOABLE)


class Witnesses:
    """The memory frames of a group, each asked alone where an object is on a frame whose answer is known.

    Args:
        cohort: Of a group alone, which remembers them.
        entry: Of that frame, corrected: the previous frame's memory while they are asked.
        features: Of that frame.
        seen: Gives the logits, C x h4 x w4, of what the group has just propagated.
    """

    def __init__(self, cohort: Cohort, entry: Tensors, features: Tensors, seen: Callable[[], Array]) -> None:
        self._cohort, self._entry, self._features, self._seen = cohort, entry, features, seen
        (self._group,) = cohort.groups

    def wrong(self, object_id: int, frame: int, found: LabelMap, label: LabelMap) -> set[int]:
        """Frames that say that the object is where it was found, and not where it is.

        A frame's testimony is the object's mean probability where it is (where it was missed, if that is a
        good part of it) less that where it was found and is not. A frame is wrong that says less than half of
        what the best labelled one does; where no labelled one can tell, all the others are.

        Args:
            object_id: The caller's id of the object.
            frame: Number of the corrected frame, which is not asked.
            found: uint8 H x W, the label map that it had.
            label: The corrected one.
        """
        before, now = found == object_id, label == object_id
        missed, surplus = now & ~before, before & ~now
        there = missed if missed.sum() > MISSED * now.sum() else now
        group, numbers = self._group, self._group.bank.slot_frames
        asked = sorted((slot for slot, held in enumerate(numbers) if held != frame), key=numbers.__getitem__)
        trusted = [slot for slot in asked if numbers[slot] in group.trusted]
        doubtful = [slot for slot in asked if slot not in trusted][-MOST_ASKED:]
        channel = group.channel_ids.index(object_id) + 1
        said = {slot: self._testimony(slot, channel, there, surplus) for slot in (*trusted, *doubtful)}
        best = max((said[slot] for slot in trusted), default=0.0)
        return {numbers[slot] for slot in doubtful if best <= 0 or said[slot] < best / 2}

    def _testimony(self, slot: int, channel: int, there: Mask, surplus: Mask) -> float:
        alone = self._group.bank.sharing([slot], room=1)
        self._cohort.recall(alone, self._entry, self._features)
        logits = np.where(self._group.active[:, None, None], self._seen().astype(np.float64), -np.inf)
        raised = np.exp(logits - logits.max(axis=0))
        probability = raised[channel] / raised.sum(axis=0)
        return _mean_within(there, probability) - _mean_within(surplus, probability)


def _mean_within(mask: Mask, values: npt.NDArray[np.float64]) -> float:
    """Mean of h4 x w4 values over a mask of another size; 0 over an empty one."""
    size = values.shape[1], values.shape[0]
    share = cv2.resize(mask.astype(np.float32), size, interpolation=cv2.INTER_AREA)
    return float((values * share).sum() / share.sum()) if share.any() else 0.0
