"""Corrections of objects that are followed already, and the way back."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from ermu.closing import Closing
from ermu.errors import PromptError, SourceError
from ermu.runtime.backends.base import Backend
from ermu.runtime.encoder import FrameEncoder
from ermu.runtime.images.frames import Picture, check_picture
from ermu.runtime.images.labels import IGNORE
from ermu.runtime.memory.options import MemoryOptions
from ermu.runtime.memory.sets.memories import Memories, Tensors
from ermu.runtime.memory.update import MemoryUpdate
from ermu.runtime.results import FrameResult, sighted
from ermu.runtime.timing.stopwatch import Stopwatch
from ermu.types import Image, LabelMap, Mask


class Refining(Closing, ABC):
    """The part of a `Segmenter` that corrects what it remembers of an object."""

    backend: Backend
    _options: MemoryOptions
    _encoder: FrameEncoder | None
    _frame: int
    _label: LabelMap

    def refine(
        self,
        object_id: int,
        mask: Mask,
        *,
        frame: Image | None = None,
        result: FrameResult | None = None,
        time: float | None = None,
    ) -> FrameResult:
        """Corrects an object: the mask is where it is, and not what was found.

        The corrected label map of its group becomes a trusted memory frame and the previous frame's memory;
        memory frames in which the object was wrong leave (`docs/live.md`). Objects of other groups are not
        touched; those of its group are remembered as they were found, less what the mask covers.

        Args:
            object_id: Of an object that is followed.
            mask: bool H x W at source size.
            frame: The frame that the mask belongs to, where that is a recent one and not the latest, which
                is then segmented again.
            result: That frame's result.
            time: As in `start`.

        Returns:
            The latest frame's result with the correction in it.

        Raises:
            StateError: `start` has not been called.
            PromptError: the object is not followed, or was not on that frame; the mask does not fit, or is
                empty; a frame was given without its result.
            SourceError: the frame has another size than the first.
            BackendError: there is not enough memory; everything is as it was.
        """
        groups = self._started()
        self._check_refinable(groups, object_id, mask)
        number, found = self._known(frame, result)
        label = np.where(found == object_id, 0, found)
        label = np.where(mask, object_id, label).astype(np.uint8)
        clock, watch = self._options.clock(self._frame, time), Stopwatch()
        with self._features_of(frame, watch) as features:
            latest = self._frame, self._label
            groups.correct(object_id, label, features, found=found, frame=number, clock=clock, latest=latest)
        if number != self._frame:
            label = groups.segment_again(object_id, self._encode(watch), frame=self._frame)
        self._label = np.where(label == IGNORE, 0, label).astype(np.uint8)
        return self._result(self._label, self.memory, watch)

    def undo(self, object_id: int) -> FrameResult:
        """Takes the latest correction of an object back: its group remembers what it did before, to the bit.

        Where frames have come since, the latest is segmented again with that memory.

        Returns:
            The latest frame's result.

        Raises:
            PromptError: the object is not followed.
            StateError: there is no correction to undo: it is too long ago, the policy was switched or every
                memory begun anew since, or another object of the group was corrected later.
        """
        groups = self._started()
        self._check_followed(groups, object_id)
        correction, watch = groups.undo(object_id), Stopwatch()
        if correction.frame == self._frame and correction.ids == groups.ids:
            self._label = correction.label
        else:
            self._label = groups.segment_again(object_id, self._encode(watch), frame=self._frame)
        return self._result(self._label, self.memory, watch)

    @property
    @abstractmethod
    def ids(self) -> list[int]:
        """The caller's ids of every object followed, by group."""

    @property
    @abstractmethod
    def memory(self) -> list[MemoryUpdate]:
        """Every group's memory bank as it is."""

    @abstractmethod
    def _started(self) -> Memories: ...

    @abstractmethod
    def _encode(self, watch: Stopwatch) -> Tensors: ...

    def _result(self, label: LabelMap, memory: list[MemoryUpdate], watch: Stopwatch) -> FrameResult:
        """Of the latest frame, with all that its label map and logits say of its objects."""
        with watch("objects"):
            objects = sighted(self.ids, self._started().seen(label))
        return FrameResult(self._frame, label, memory, watch.ms, objects)

    def _check_size(self, frame: Picture) -> tuple[int, int]:
        hw, first = check_picture(frame, self.backend.device), self._started().source_hw
        if hw != first:
            raise SourceError(
                f"Frame {self._frame + 1} is {hw[1]}x{hw[0]}, the first was {first[1]}x{first[0]}.",
                expected="frames of one size",
                fix="resize the frames, or start again with a label map of the new size",
            )
        return hw

    @contextmanager
    def _features_of(self, frame: Image | None, watch: Stopwatch) -> Iterator[Tensors]:
        """Features of a frame for a while; None, of the latest."""
        assert self._encoder is not None
        if frame is None:
            yield self._encode(watch)
            return
        self._check_size(frame)
        with self._encoder.aside(frame):
            yield self._encoder.features

    def _known(self, frame: Image | None, result: FrameResult | None) -> tuple[int, LabelMap]:
        """Number and label map of a frame that is corrected; None, of the latest."""
        if (frame is None) != (result is None):
            raise PromptError("A frame or its result is missing.", expected="both, or none for the latest")
        return (self._frame, self._label) if result is None else (result.frame, result.label)

    def _check_followed(self, groups: Memories, object_id: int) -> None:
        if object_id not in groups.ids:
            raise PromptError(f"There is no object {object_id}.", expected=f"one of {groups.ids}")

    def _check_refinable(self, groups: Memories, object_id: int, mask: Any) -> None:
        self._check_followed(groups, object_id)
        if mask.dtype != np.bool_ or mask.shape != groups.source_hw:
            raise PromptError(f"The mask is {mask.dtype} {mask.shape}.", expected=f"bool {groups.source_hw}")
        if not mask.any():
            raise PromptError("The mask is empty.", fix="remove the object if it is not to be followed")
