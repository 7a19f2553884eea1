"""One stream's segmenter with all that is known of its objects; for the stream's worker alone."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from time import monotonic, perf_counter

import numpy as np

from ermu.errors import PromptError
from ermu.runtime.detections import Detection, Intake, painted
from ermu.runtime.hints import Hints
from ermu.runtime.images.frames import Picture, place_of
from ermu.runtime.images.labels import IGNORE, as_prompt, object_ids
from ermu.runtime.images.masks import XYXY, extents
from ermu.runtime.images.prompter import Box, Point
from ermu.runtime.prompts import Prompts
from ermu.runtime.results import FrameResult
from ermu.runtime.segmenter import Segmenter
from ermu.runtime.session.session import Session, names_in
from ermu.runtime.sources.base import DEFAULT_FPS, Frame
from ermu.runtime.streams.clicked import ClickTracking
from ermu.runtime.streams.live_options import LiveOptions
from ermu.runtime.streams.memory_history import MemoryHistory
from ermu.runtime.streams.object_registry import ObjectRegistry, check_name
from ermu.runtime.streams.segmented_frame import RecentFrames, SegmentedFrame
from ermu.runtime.timing.statistics import Timings
from ermu.types import Image, LabelMap, Mask

logger = logging.getLogger("ermu.streams")


def no_frame(why: str | None = None) -> PromptError:
    """The error of whatever needs a frame where there is none yet; why, as far as it is known."""
    text = f"No frame has come yet{f': {why}' if why else ''}."
    return PromptError(text, fix="wait until the stream is live" if why is None else "see to its source")


class Tracker(ClickTracking):
    """Segments a stream's frames one after another; objects come and go, and sizes change.

    Args:
        segmenter: Of this stream alone.
        options: How to treat losses and changes.
        live: Whether a frame of another size means that the stream has changed, not that a file is broken.
        fps: Nominal frames a second.

    Attributes:
        objects: Every object's id, name and state.
        memory_history: What happened in the memory.
        latest: The latest frame with its result; None before the first.
        timings: Milliseconds by stage.
        frames: Segmented so far.
        restarts: Times that every memory began anew.
        device_losses: The frames from whose label maps it did so because the device had been lost.
        detected: The frame whose detections were taken last.
        primed: Whose objects are looked for in the first frame, where no prompt says what to follow.
    """

    def __init__(
        self, segmenter: Segmenter, options: LiveOptions, *, live: bool, fps: float = DEFAULT_FPS
    ) -> None:
        self.segmenter, self._options, self._live, self._fps = segmenter, options, live, fps
        self.objects = ObjectRegistry(options.lost_seconds)
        self.memory_history, self.timings = MemoryHistory(), Timings()
        self.latest: SegmentedFrame | None = None
        self.frames = self.restarts = 0
        self.device_losses: list[int] = []
        self.detected: int | None = None
        self._resumed = self._renews = False
        self.primed: Session | None = None
        self._prompted: tuple[Frame, LabelMap | None] | None = None
        self._clicked: tuple[Frame, list[Box | Point]] | None = None
        self._recent = RecentFrames()

    @property
    def device(self) -> str:
        """Name of the one that it segments on."""
        return str(place_of(self.segmenter.backend.device))

    def segment(self, frame: Frame, prompt: LabelMap | Prompts | None) -> FrameResult:
        """Segments the next frame; `prompt` is the first one's label map, or those of several by name.

        Where that fails the same frame may come again.
        """
        began, wait = perf_counter(), monotonic() - frame.stamp
        first = self.latest is None
        hints = self._hints(frame, prompt) if first else []
        label = self._label(frame, prompt)
        result = self._first(frame, label) if first else self._next(frame)
        if hints:
            result = self._first_at(frame, hints, result)
        if not first and isinstance(prompt, Prompts) and label is not None:
            result = self._appear(frame, label, result)
        took = 1e3 * (perf_counter() - began)
        self.objects.observe(result.objects, frame=result.frame, time=frame.time)
        self.memory_history.observe(result.frame, result.memory, self.segmenter.policy)
        latency = 1e3 * (monotonic() - frame.stamp)
        result.ms.update(queue=1e3 * wait, capture_to_result=latency)
        self.timings.add(result.ms if first else {**result.ms, "frame": took})
        result = replace(result, objects=self.objects.sightings)
        self.latest = SegmentedFrame(frame, result)
        self.frames += 1
        return result

    def resume(
        self, latest: SegmentedFrame, *, restarts: int, device_losses: Sequence[int], detected: int | None
    ) -> None:
        """Goes on where another stream was: segmenter, objects and history have been given what it had."""
        self.latest, self.restarts, self.detected = latest, restarts, detected
        self.device_losses = list(device_losses)
        self._recent, self._prompted, self._resumed = RecentFrames(), None, True

    def renew(self) -> None:
        """Begins every memory anew from the latest label map, on a device that has none of them any more.

        Where that frame's picture is gone with them, the label map is put on the next frame.
        """
        latest = self.latest
        if latest is None:
            return
        number, self._renews = latest.result.frame, latest.frame.gone
        if not self._renews:
            image = latest.frame.image
            self._restart(image, latest.label_at(image, self.objects.ids), number, latest.frame.time)
        self.device_losses.append(number)
        self._note_memory()

    def add(self, label: LabelMap, drawn_on: SegmentedFrame, name: str | None) -> list[int]:
        """Follows new objects, drawn on a recent frame; returns their ids."""
        if name is not None:
            check_name(name)
        latest = self.shown()
        now, image, picture = latest.frame.time, latest.frame.image, drawn_on.frame.image
        if picture.shape != image.shape:
            raise PromptError("The picture has changed its size since.", fix="draw again")
        label, is_latest = as_prompt(label), drawn_on.result.frame == latest.result.frame
        before = set(self.segmenter.ids)
        taken = sorted(set(object_ids(label)) & set(self.objects.ids))
        if taken:
            raise PromptError(
                f"The ids {taken} are in use.", expected="ids that no object has", fix="paint it in others"
            )
        if self._options.on_add == "restart":
            held = latest.label_at(image, self.objects.ids)
            merged = np.where(np.isin(label, (0, IGNORE)), held, label).astype(np.uint8)
            added = self._restart(picture, merged, latest.result.frame, now)
        elif is_latest:
            added = self.segmenter.add_objects(label, time=now)
        else:
            known = self._as_known(drawn_on).result.label
            added = self.segmenter.add_objects(
                label, time=now, frame=picture, number=drawn_on.result.frame, known=known
            )
        new = sorted(set(self.segmenter.ids) - before)
        self.objects.add(new, frame=latest.result.frame, time=now, name=name, drawn=extents(label))
        if is_latest:
            self._show(added)
        self._note_memory()
        return new

    def heeds(self, intake: Intake, drawn_on: SegmentedFrame) -> bool:
        """Whether detections on a frame are taken."""
        return intake.due(drawn_on.result.frame, self.detected, len(self.objects.ids))

    def held(self, drawn_on: SegmentedFrame) -> list[tuple[int, XYXY]]:
        """Objects with their boxes on a recent frame, and on the latest, where some may be since."""
        ids = self.objects.ids
        both = [*drawn_on.result.objects, *self.objects.sightings]
        return [(each.id, each.box) for each in both if each.box is not None and each.id in ids]

    def add_detections(
        self,
        detections: Sequence[Detection],
        masks: Mapping[int, Mask | None],
        drawn_on: SegmentedFrame,
        intake: Intake,
    ) -> list[int | None] | None:
        """Follows those detections that are new still; returns the id of each, None where it has none.

        None alone where none is looked at.

        Args:
            detections: Of one frame.
            masks: By index, where there is an object.
            drawn_on: The frame, a recent one.
            intake: Which of them are taken.
        """
        if not self.heeds(intake, drawn_on):
            return None
        self.detected = drawn_on.result.frame
        found = intake.match(detections, self.held(drawn_on))
        fresh = {i: mask for i, mask in masks.items() if mask is not None and found[i] == -1 - i}
        same = intake.same(fresh, drawn_on.label_at(drawn_on.frame.image, self.objects.ids))
        new = [i for i in fresh if i not in same]
        ids = dict(zip(new, self.objects.next_ids(len(new)), strict=False))
        drawn = {object_id: fresh[i] for i, object_id in ids.items()}
        label = painted(drawn, drawn_on.result.label.shape)
        added = set(self.add(label, drawn_on, None)) if label.any() else set()
        for i, object_id in ids.items():
            if object_id in added and (name := detections[i].name) is not None:
                self.objects.rename(object_id, name)
        if added:
            self._name_shown()
        own = {-1 - i: number for i, number in {**same, **ids}.items() if number in added or i in same}
        return [number if number > 0 else own.get(number) for number in found]

    def refine(self, object_id: int, mask: Mask, drawn_on: SegmentedFrame) -> None:
        """Corrects an object by its mask on a recent frame; one that lost its memory gets one again."""
        latest = self.shown()
        if drawn_on.frame.shape != latest.frame.shape:
            raise PromptError("The picture has changed its size since.", fix="draw again")
        if object_id not in self.segmenter.ids:
            self._begin_again(object_id, mask, drawn_on)
            return
        current = self._as_known(drawn_on)
        image, result = (None, None) if current is latest else (current.frame.image, current.result)
        now = latest.frame.time
        refined = self.segmenter.refine(object_id, mask, frame=image, result=result, time=now)
        self._correct_recent(object_id, mask, current)
        self._show(refined)
        self._note_memory()

    def undo(self, object_id: int) -> None:
        """Takes an object's latest correction back."""
        undone = self.segmenter.undo(object_id)
        self._recent.undo(object_id)
        self._show(undone)
        self._note_memory()

    def remove(self, ids: Sequence[int]) -> None:
        """Forgets objects."""
        unknown = sorted(set(ids) - set(self.objects.ids))
        if unknown:
            raise PromptError(f"There is no object {unknown[0]}.", expected=f"one of {self.objects.ids}")
        self.segmenter.remove_objects(sorted(set(ids) & set(self.segmenter.ids)))
        for object_id in set(ids):
            self.objects.remove(object_id)
        self._blank(ids)
        self._note_memory()

    def reset(self) -> None:
        """Forgets every object and memory; the stream goes on with none."""
        self._blank(self.objects.ids)
        self.objects.clear()
        self.detected = None
        if self.latest is not None:
            number, frame = self.segmenter.frame, self.latest.frame
            self.segmenter.start(frame.image, number=number, time=frame.time)
        self.memory_history = MemoryHistory()

    def snapshot(self) -> SegmentedFrame | None:
        """The latest frame, kept for a while so that somebody may draw on it at leisure."""
        latest = self.latest
        if latest is not None:
            self._recent.keep(latest)
        return latest

    def recent(self, number: int | None) -> SegmentedFrame:
        """A recent frame with what was found in it; default, the latest."""
        latest = self.shown()
        if number is None or number == latest.result.frame:
            return latest
        kept = self._recent.get(number)
        if kept is None:
            raise PromptError(
                f"Frame {number} is not kept any more.",
                expected="the number of a recent snapshot, frame.jpg's",
                fix="draw on a new one, or leave the number out: the latest",
            )
        return kept

    def shown(self) -> SegmentedFrame:
        """The latest frame, where there is one."""
        if self.latest is None:
            raise no_frame()
        return self.latest

    def _as_known(self, drawn_on: SegmentedFrame) -> SegmentedFrame:
        """A frame with what is known of it now: it may have been corrected since somebody looked at it."""
        latest, number = self.shown(), drawn_on.result.frame
        return latest if number == latest.result.frame else self._recent.get(number) or drawn_on

    def _correct_recent(self, object_id: int, mask: Mask, drawn_on: SegmentedFrame) -> None:
        current = self._as_known(drawn_on)
        without = np.where(current.result.label == object_id, 0, current.result.label)
        self._recent.correct(object_id, current, np.where(mask, object_id, without).astype(np.uint8))

    def _hints(self, frame: Frame, prompt: LabelMap | Prompts | None) -> list[Box | Point]:
        """What a stream's first frame is clicked on, where the network takes that; kept as a label map is."""
        if self._clicked is None or self._clicked[0] is not frame:
            network = isinstance(prompt, Hints) and self.segmenter.takes_clicks
            self._clicked = frame, prompt.for_network() if network and isinstance(prompt, Hints) else []
        return self._clicked[1]

    def _label(self, frame: Frame, prompt: LabelMap | Prompts | None) -> LabelMap | None:
        """A frame's label map; one that is taken from `Prompts` is kept in case the frame comes again."""
        if self._prompted is None or self._prompted[0] is not frame:
            taken = prompt.take(frame) if isinstance(prompt, Prompts) else prompt
            self._prompted = frame, taken
        return self._prompted[1]

    def _first(self, frame: Frame, prompt: LabelMap | None) -> FrameResult:
        if self.primed is not None:
            result = self.segmenter.prime(self.primed, frame.image, time=frame.time)
            for object_id, name in names_in(self.primed).items():
                self.objects.add([object_id], frame=result.frame, time=frame.time, name=name)
            return result
        result = self.segmenter.start(self._picture(frame), prompt, time=frame.time)
        self.objects.add(self.segmenter.ids, frame=0, time=frame.time)
        return result

    def _appear(self, frame: Frame, label: LabelMap, result: FrameResult) -> FrameResult:
        """Follows the objects of a label map from this frame on; returns its result with them in it."""
        added = self.segmenter.add_objects(label, time=frame.time)
        new = sorted(set(self.segmenter.ids) - set(self.objects.ids))
        self.objects.add(new, frame=result.frame, time=frame.time)
        return replace(result, label=added.label, memory=added.memory, objects=added.objects)

    def _begin_again(self, object_id: int, mask: Mask, drawn_on: SegmentedFrame) -> None:
        """Follows an object that has its id still and no memory: it was out of sight at a restart."""
        label = np.where(mask, self.objects.known(object_id).id, 0).astype(np.uint8)
        latest, number = self.shown(), drawn_on.result.frame
        image = None if number == latest.result.frame else drawn_on.frame.image
        known = None if image is None else drawn_on.result.label
        added = self.segmenter.add_objects(
            label, frame=image, number=number, time=latest.frame.time, known=known
        )
        if image is None:
            self._show(added)
        self._note_memory()

    def _next(self, frame: Frame) -> FrameResult:
        latest = self._continued(frame)
        if self._renews or (self._live and frame.shape != latest.frame.shape):
            self._renews = False
            held = latest.label_at(frame.image, self.objects.ids)
            return self._restart(frame.image, held, latest.result.frame + 1, frame.time)
        return self.segmenter.step(self._picture(frame), time=frame.time)

    def _picture(self, frame: Frame) -> Picture:
        return frame.for_device(self.segmenter.backend.device)

    def _continued(self, frame: Frame) -> SegmentedFrame:
        """The latest frame, before this one also by its time: a session may come from another axis."""
        if self._resumed and frame.time <= self.shown().frame.time:
            latest = self.shown()
            moved = frame.time - 1 / self._fps - latest.frame.time
            self.objects.move_clock(moved)
            self.segmenter.move_clock(moved)
            earlier = replace(latest.frame, time=latest.frame.time + moved)
            self.latest = SegmentedFrame(earlier, latest.result)
        self._resumed = False
        return self.shown()

    def _restart(self, image: Image, label: LabelMap, number: int, time: float) -> FrameResult:
        """Begins every memory anew from a label map; an object with no pixel on it stays known, as lost."""
        self.restarts += 1
        logger.warning("Every memory begins anew at frame %d, %dx%d.", number, image.shape[1], image.shape[0])
        prompt = label if object_ids(label) else None
        return self.segmenter.start(image, prompt, number=number, time=time)

    def _show(self, added: FrameResult) -> None:
        """Puts what was drawn on the latest frame on show at once, not with the next frame."""
        latest = self.shown()
        label = np.where(added.label == IGNORE, 0, added.label).astype(np.uint8)
        self.objects.observe(added.objects, frame=latest.result.frame, time=latest.frame.time)
        result = replace(latest.result, label=label, memory=added.memory, objects=self.objects.sightings)
        self.latest = SegmentedFrame(latest.frame, result)

    def _name_shown(self) -> None:
        """Shows objects by their new names at once."""
        latest = self.shown()
        self.latest = SegmentedFrame(latest.frame, replace(latest.result, objects=self.objects.sightings))

    def _note_memory(self) -> None:
        """Brings the history up to date between two frames."""
        segmenter = self.segmenter
        self.memory_history.observe(segmenter.frame, segmenter.memory, segmenter.policy)

    def _blank(self, ids: Sequence[int]) -> None:
        """Takes ids off the label map on show at once."""
        if self.latest is not None:
            self.latest = self.latest.without(set(ids))
