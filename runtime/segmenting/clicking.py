"""Objects by clicks and boxes, where the network itself knows what they mean."""

from __future__ import annotations

from abc import ABC
from dataclasses import dataclass
from functools import partial

import numpy as np

from ermu.errors import PromptError
from ermu.runtime.bundle.bundle import Bundle
from ermu.runtime.bundle.object_manifest import ObjectManifest
from ermu.runtime.images.labels import MAX_OBJECTS
from ermu.runtime.memory.objects.clicks import Clicks, Hint
from ermu.runtime.memory.objects.object_set import ObjectSet
from ermu.runtime.memory.sets.memories import Memories
from ermu.runtime.results import FrameResult
from ermu.runtime.segmenting.refining import Refining
from ermu.runtime.timing.stopwatch import Stopwatch
from ermu.types import Image, Mask


@dataclass(frozen=True)
class Clicked:
    """What the network makes of clicks.

    Attributes:
        mask: bool H x W, where the object is on the frame that they belong to.
        result: Of the latest frame.
    """

    mask: Mask
    result: FrameResult


class Clicking(Refining, ABC):
    """The part of a `Segmenter` that asks its network where an object is."""

    bundle: Bundle

    @property
    def takes_clicks(self) -> bool:
        """Whether the network can be asked; where it cannot, a `Prompter` makes masks of clicks."""
        return isinstance(self.bundle.manifest, ObjectManifest)

    def add_object_at(
        self,
        object_id: int,
        hint: Hint,
        *,
        frame: Image | None = None,
        number: int | None = None,
        time: float | None = None,
    ) -> Clicked:
        """Adds an object by clicks on it, or by a box around it.

        Args:
            object_id: A free one, 1 to 254.
            hint: A `Box`, or `Point`s, at least one of them on the object; in pixels of the frame.
            frame: The frame that they belong to, where that is a recent one and not the latest. The object is
                found again in the next frame.
            number: That frame's number.
            time: As in `start`.

        Raises:
            StateError: `start` has not been called.
            BundleError: the network knows no clicks.
            PromptError: the id is taken, the hint does not fit the frame, or the network sees nothing there.
            SourceError: the frame has another size than the first.
        """
        objects = self._clickable(self._started())
        if not 1 <= object_id <= MAX_OBJECTS or object_id in self.ids:
            raise PromptError(
                f"The id {object_id} is not free.", expected=f"1 to {MAX_OBJECTS}, and no object's"
            )
        clicks = self._clicks(objects, hint, positive=True)
        clock, watch = self._options.clock(self._frame, time), Stopwatch()
        drawn_on = self._frame if number is None else number
        with self._features_of(frame, watch) as features:
            mask = objects.begin_at(object_id, clicks, features, self._options, frame=drawn_on, clock=clock)
        if frame is None:
            self._label = np.where(mask, object_id, self._label).astype(np.uint8)
        return Clicked(mask, self._result(self._label, self.memory, watch))

    def refine_at(
        self,
        object_id: int,
        hint: Hint,
        *,
        frame: Image | None = None,
        result: FrameResult | None = None,
        time: float | None = None,
    ) -> Clicked:
        """Corrects an object by clicks or a box; otherwise as `refine`.

        The network finds it by these and by what it remembers of earlier frames, not by what it found before:
        on a frame that has had clicks, all of them are to be given.

        Args:
            object_id: Of an object that is followed.
            hint: A `Box`, or `Point`s, on the object or where it is not; in pixels of the frame.
            frame: The frame that they belong to, where that is a recent one and not the latest.
            result: That frame's result.
            time: As in `start`.

        Raises:
            StateError: `start` has not been called.
            BundleError: the network knows no clicks.
            PromptError: as `refine`; or the hint does not fit the frame, or the network sees nothing there.
            SourceError: the frame has another size than the first.
            BackendError: there is not enough memory; everything is as it was.
        """
        objects = self._clickable(self._started())
        self._check_followed(objects, object_id)
        number, found = self._known(frame, result)
        clicks = self._clicks(objects, hint, positive=False)
        clock, watch = self._options.clock(self._frame, time), Stopwatch()
        with self._features_of(frame, watch) as features:
            ask = partial(objects.correct_at, object_id, clicks, features, frame=number, clock=clock)
            mask = ask(latest=(self._frame, self._label))
        if number != self._frame:
            self._label = objects.segment_again(object_id, self._encode(watch), frame=self._frame)
        else:
            without = np.where(found == object_id, 0, found)
            self._label = np.where(mask, object_id, without).astype(np.uint8)
        return Clicked(mask, self._result(self._label, self.memory, watch))

    def mask_at(self, hint: Hint, *, frame: Image | None = None) -> Mask:
        """Where the network sees an object, bool H x W; nothing is remembered, else as `add_object_at`."""
        objects = self._clickable(self._started())
        clicks = self._clicks(objects, hint, positive=True)
        with self._features_of(frame, Stopwatch()) as features:
            return objects.mask_at(clicks, features)

    def _clickable(self, memories: Memories) -> ObjectSet:
        _ = self.bundle.object_manifest
        assert isinstance(memories, ObjectSet)
        return memories

    def _clicks(self, objects: ObjectSet, hint: Hint, *, positive: bool) -> Clicks:
        return Clicks.of(hint, objects.source_hw, objects.grids.hw, positive=positive)
