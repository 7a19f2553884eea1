"""The Pipeline: a source's frames through the segmenter into the sinks, steered while it runs."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from time import monotonic, perf_counter
from typing import TypeVar

import cv2
import numpy as np

from ermu.errors import ErmuError, PromptError, SourceError
from ermu.runtime.images.labels import LabelMap, object_ids
from ermu.runtime.images.prompter import Box, GrabCutPrompter, Mask, Point, Prompter
from ermu.runtime.results import FrameResult
from ermu.runtime.segmenter import Segmenter
from ermu.runtime.sinks.base import Sink
from ermu.runtime.sinks.feeder import SinkFeeder
from ermu.runtime.sources.base import Frame, Source
from ermu.runtime.sources.reader import StreamReader, StreamState
from ermu.runtime.streams.command_queue import CommandQueue
from ermu.runtime.streams.live_options import LiveOptions
from ermu.runtime.streams.memory_history import MemoryTimeline
from ermu.runtime.streams.object_registry import ObjectRegistry
from ermu.runtime.streams.run_summary import RunSummary
from ermu.runtime.streams.segmented_frame import View
from ermu.runtime.timing.statistics import Rate, Timings

T = TypeVar("T")
_SNAPSHOTS = 4
_CLOSE_SECONDS = 1.5


class Pipeline:
    """One stream from its source to its sinks.

    A reader thread decodes, the worker (the thread that calls `run` or `turn`) segments, and each sink writes
    in a thread of its own. Live, nothing waits for anything slower: old frames are dropped before the
    segmenter, results before a slow sink. With files every frame is segmented and written.

    `add_objects` and its neighbours may be called from any thread; the worker does them between two frames.

    Args:
        segmenter: Reset by every run; may share its backend with other pipelines' segmenters.
        source: Closed by the caller.
        sinks: Take every frame in order; closed at the end, also when it fails.
        name: Of the stream.
        live: How to treat losses and changes.
        prompter: Turns boxes and clicks into masks.
    """

    def __init__(
        self,
        segmenter: Segmenter,
        source: Source,
        sinks: Sequence[Sink] = (),
        *,
        name: str = "0",
        live: LiveOptions | None = None,
        prompter: Prompter | None = None,
    ) -> None:
        self.segmenter, self.source, self.name = segmenter, source, name
        self.options = live or LiveOptions()
        self._sinks, self._prompter = sinks, prompter or GrabCutPrompter()
        self.timings, self.rate, self.timeline = Timings(), Rate(), MemoryTimeline()
        self.objects = ObjectRegistry(self.options.lost_seconds)
        self.feeders: list[SinkFeeder] = []
        self.view: View | None = None
        self.paused = self.done = False
        self.frames = self.restarts = 0
        self.error: ErmuError | None = None
        self._reader: StreamReader | None = None
        self._snapshots: deque[Frame] = deque(maxlen=_SNAPSHOTS)
        self._commands = CommandQueue()
        self._wake: Callable[[], None] = lambda: None

    @property
    def reader(self) -> StreamReader:
        """The source's reader, there from `begin` on."""
        assert self._reader is not None, "begin() comes first"
        return self._reader

    @property
    def state(self) -> StreamState:
        if self.done:
            return StreamState.ENDED
        return self._reader.state if self._reader else StreamState.CONNECTING

    def run(
        self,
        prompt: LabelMap | None = None,
        *,
        max_frames: int | None = None,
        on_frame: Callable[[Frame, FrameResult], None] | None = None,
    ) -> RunSummary:
        """Segments the stream from its first frame to its end.

        Args:
            prompt: Label map of the first frame, uint8 H x W; without one the stream begins with no object.
            max_frames: Stop after so many frames.
            on_frame: Called by the worker after every frame.

        Raises:
            SourceError: the source ends before its first frame, or a file's frame changes size.
            PromptError: the prompt does not fit the first frame.
            SinkError: a file's result cannot be written; those already written stay.
        """
        from ermu.runtime.streams.scheduler import Scheduler

        self.begin(prompt, max_frames=max_frames, on_frame=on_frame)
        Scheduler([self]).run()
        return self.summary()

    def begin(
        self,
        prompt: LabelMap | None = None,
        *,
        max_frames: int | None = None,
        on_frame: Callable[[Frame, FrameResult], None] | None = None,
    ) -> None:
        """Sets a run up; arguments as `run`. Nothing is read before `start`."""
        self._prompt, self._max_frames, self._on_frame = prompt, max_frames, on_frame
        self.frames, self.done, self.error = 0, False, None
        self.segmenter.reset()
        self.objects.clear()
        self._first_stamp = self._last_stamp = 0.0
        self._reader = StreamReader(
            self.source,
            stale_seconds=self.options.stale_seconds,
            give_up_seconds=self.options.give_up_seconds,
            notify=lambda: self._wake(),
        )

    def start(self, wake: Callable[[], None]) -> None:
        """Starts the threads; `wake` is called whenever a turn may have something to do."""
        self._wake = wake
        self._commands.serve(wake)
        self.feeders = [SinkFeeder(sink, lossy=self.source.live) for sink in self._sinks]
        self._first_stamp = perf_counter()
        self.reader.start()

    def turn(self) -> bool:
        """Does the waiting commands and at most one frame; returns whether there was one.

        Raises:
            ErmuError: as `run`; the pipeline is then done.
        """
        self._commands.run()
        if self.paused or self.done:
            return False
        frame = self.reader.take()
        if frame is None:
            if self.reader.finished:
                self._ended()
            return False
        self._process(frame)
        if self._max_frames is not None and self.frames >= self._max_frames:
            self.done = True
        return True

    def finish(self, *, seconds: float | None = None) -> None:
        """Stops the threads; sinks finish what they hold.

        Args:
            seconds: How long a busy sink may take; default, as long as it needs.

        Raises:
            SinkError: a file's sink failed.
        """
        self.done = True
        if seconds is None and self.source.live:
            seconds = _CLOSE_SECONDS
        deadline = None if seconds is None else monotonic() + seconds
        self.reader.stop()
        for feeder in self.feeders:
            feeder.finish(deadline)
        failures = []
        for feeder in self.feeders:
            try:
                feeder.join(deadline)
            except ErmuError as error:
                failures.append(error)
        self._last_stamp = perf_counter()
        self._commands.run()
        if failures:
            raise failures[0]

    def summary(self) -> RunSummary:
        """Figures of the run so far."""
        until = self._last_stamp or perf_counter()
        lost = self.source.reconnects and self.reader.state is StreamState.ENDED
        return RunSummary(self.frames, until - self._first_stamp, self.timings, lost)

    def add_objects(
        self,
        hint: LabelMap | Box | Sequence[Point],
        *,
        name: str | None = None,
        frame: int | None = None,
    ) -> list[int]:
        """Follows new objects from now on.

        Args:
            hint: A label map (uint8 H x W; its ids must be free), a box around one object, or points on one.
            name: Of the object.
            frame: Number of the frame that the hint belongs to: the latest (default), or a `snapshot`'s.

        Returns:
            The new ids, which stay theirs.

        Raises:
            PromptError: there is no frame yet, the hint does not fit it, or an id is in use.
        """
        picture = self._picture(frame)
        if isinstance(hint, np.ndarray):
            return self._ask(lambda: self._add(hint, picture, name))
        mask = (
            self._prompter.from_box(picture.image, hint)
            if isinstance(hint, Box)
            else self._prompter.from_points(picture.image, hint)
        )
        return self._ask(lambda: self._add(self._labelled(mask), picture, name))

    def remove_objects(self, ids: Sequence[int]) -> None:
        """Forgets objects: they appear nowhere from now on.

        Raises:
            PromptError: an id is not followed; then nothing is removed.
        """
        self._ask(lambda: self._remove(ids))

    def rename_object(self, object_id: int, name: str) -> None:
        """Changes an object's name.

        Raises:
            PromptError: there is no such object.
        """
        self._ask(lambda: self.objects.rename(object_id, name))

    def reset(self) -> None:
        """Forgets every object and memory; the stream goes on with none."""
        self._ask(self._reset)

    def pause(self) -> None:
        """Holds the stream; live frames are dropped meanwhile."""
        self.paused = True

    def resume(self) -> None:
        """Goes on with the next frame."""
        self.paused = False
        self._wake()

    def switch_policy(self, policy: str) -> None:
        """Changes the eviction policy.

        Raises:
            ErmuError: no policy has that name, or the memory has outgrown it.
        """
        self._ask(lambda: self.segmenter.switch_policy(policy))

    def snapshot(self) -> View | None:
        """The latest frame, kept for a while so that somebody may draw on it at leisure."""
        view = self.view
        if view is not None and all(view.result.frame != kept.index for kept in self._snapshots):
            self._snapshots.append(replace(view.frame, index=view.result.frame))
        return view

    def _process(self, frame: Frame) -> None:
        began, wait = perf_counter(), monotonic() - frame.stamp
        result = self._segment(frame)
        took = 1e3 * (perf_counter() - began)
        self.objects.observe(result.label, frame=result.frame, time=frame.time)
        self.timeline.observe(result.frame, result.memory, self.segmenter.policy)
        latency = 1e3 * (monotonic() - frame.stamp)
        result.ms.update(queue=1e3 * wait, capture_to_result=latency)
        self.timings.add({**result.ms, "frame": took} if self.frames else result.ms)
        result = replace(result, objects=self.objects.sightings)
        self.view = View(frame, result)
        self.frames += 1
        self.rate.tick(monotonic())
        for feeder in self.feeders:
            feeder.put(frame, result)
        if self._on_frame:
            self._on_frame(frame, result)

    def _segment(self, frame: Frame) -> FrameResult:
        if self.frames == 0:
            return self._first(frame)
        assert self.view is not None
        before = self.view.frame.image.shape
        if self.source.live and frame.image.shape != before:
            return self._restart(frame.image, self._held(frame.image), self.segmenter.frame + 1, frame.time)
        return self.segmenter.step(frame.image, time=frame.time)

    def _first(self, frame: Frame) -> FrameResult:
        prompt = self._prompt
        result = self.segmenter.start(frame.image, prompt, time=frame.time)
        self.objects.add(self.segmenter.ids, frame=0, time=frame.time)
        return result

    def _held(self, image: LabelMap) -> LabelMap:
        """The last label map at the size of a frame."""
        assert self.view is not None
        label = self.view.result.label
        label = np.where(np.isin(label, self.objects.ids), label, 0).astype(np.uint8)
        size = image.shape[1], image.shape[0]
        resized: LabelMap = cv2.resize(label, size, interpolation=cv2.INTER_NEAREST).astype(
            np.uint8, copy=False
        )
        return resized

    def _restart(self, image: LabelMap, label: LabelMap, number: int, time: float) -> FrameResult:
        """Begins every memory anew from a label map; an object with no pixel on it stays known, as lost."""
        self.restarts += 1
        prompt = label if object_ids(label) else None
        return self.segmenter.start(image, prompt, number=number, time=time)

    def _ended(self) -> None:
        self.done = True
        if self.frames == 0:
            last = self.reader.last_error
            raise SourceError(
                f"The source {self.source.description} ended before its first frame."
                + (f" {last.problem}" if last else ""),
                expected="at least one frame",
            )

    def _picture(self, number: int | None) -> Frame:
        """A recent frame, its index being the segmenter's number."""
        view = self.view
        if view is None:
            raise PromptError("No frame has come yet.", fix="wait until the stream is live")
        if number is None or number == view.result.frame:
            return replace(view.frame, index=view.result.frame)
        for kept in list(self._snapshots):
            if kept.index == number:
                return kept
        raise PromptError(f"Frame {number} is not kept any more.", expected="the number of a recent snapshot")

    def _labelled(self, mask: Mask) -> LabelMap:
        return np.where(mask, self.objects.next_id(), 0).astype(np.uint8)

    def _add(self, label: LabelMap, picture: Frame, name: str | None) -> list[int]:
        assert self.view is not None
        now, image = self.view.frame.time, self.view.frame.image
        if picture.image.shape != image.shape:
            raise PromptError("The picture has changed its size since.", fix="draw again")
        known = set(self.segmenter.ids)
        taken = sorted(set(object_ids(label)) & set(self.objects.ids))
        if taken:
            raise PromptError(f"The ids {taken} are in use.", expected="ids that no object has")
        latest = picture.index == self.view.result.frame
        if self.options.on_add == "restart":
            merged = np.where(np.isin(label, (0, 255)), self._held(image), label).astype(np.uint8)
            self._restart(picture.image, merged, self.view.result.frame, now)
        else:
            past = {} if latest else {"frame": picture.image, "number": picture.index}
            self.segmenter.add_objects(label, time=now, **past)  # type: ignore[arg-type]
        new = sorted(set(self.segmenter.ids) - known)
        self.objects.add(new, frame=self.view.result.frame, time=now, name=name)
        self._show_memory()
        return new

    def _remove(self, ids: Sequence[int]) -> None:
        unknown = sorted(set(ids) - set(self.objects.ids))
        if unknown:
            raise PromptError(f"There is no object {unknown[0]}.", expected=f"one of {self.objects.ids}")
        self.segmenter.remove_objects(sorted(set(ids) & set(self.segmenter.ids)))
        for object_id in set(ids):
            self.objects.remove(object_id)
        self._blank(ids)
        self._show_memory()

    def _reset(self) -> None:
        self._blank(self.objects.ids)
        self.objects.clear()
        if self.view is not None:
            number, time = self.segmenter.frame, self.view.frame.time
            self.segmenter.start(self.view.frame.image, number=number, time=time)
        self.timeline = MemoryTimeline()

    def _show_memory(self) -> None:
        """Brings the timeline up to date between two frames."""
        self.timeline.observe(self.segmenter.frame, self.segmenter.memory, self.segmenter.policy)

    def _blank(self, ids: Sequence[int]) -> None:
        """Takes ids off the held label map at once."""
        if self.view is not None:
            held = self.view.result
            label = np.where(np.isin(held.label, list(ids)), 0, held.label).astype(np.uint8)
            objects = tuple(s for s in held.objects if s.id not in set(ids))
            self.view = View(self.view.frame, replace(held, label=label, objects=objects))

    def _ask(self, action: Callable[[], T]) -> T:
        """Has the worker do something between two frames, and waits for it."""
        return action() if self.done else self._commands.ask(action)
