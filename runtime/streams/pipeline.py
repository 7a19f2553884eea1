"""The Pipeline: a source's frames through the segmenter into the sinks, steered while it runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from time import monotonic, perf_counter

from ermu.errors import ErmuError, SourceError, StateError
from ermu.runtime.images.prompter import GrabCutPrompter, Prompter
from ermu.runtime.results import FrameResult
from ermu.runtime.segmenter import Segmenter
from ermu.runtime.sinks.base import Sink
from ermu.runtime.sinks.feeder import SinkFeeder
from ermu.runtime.sources.base import Frame, Source
from ermu.runtime.sources.reader import StreamReader, StreamState
from ermu.runtime.streams.live_options import LiveOptions
from ermu.runtime.streams.memory_history import MemoryHistory
from ermu.runtime.streams.object_registry import ObjectRegistry
from ermu.runtime.streams.run_summary import RunSummary
from ermu.runtime.streams.segmented_frame import SegmentedFrame
from ermu.runtime.streams.steering import Steering
from ermu.runtime.streams.tracker import Tracker
from ermu.runtime.timing.statistics import Rate, Timings
from ermu.types import LabelMap

_CLOSE_SECONDS = 1.5

OnFrame = Callable[[Frame, FrameResult], None]


class Pipeline(Steering):
    """One stream from its source to its sinks.

    A reader thread decodes, the worker (the thread that calls `run` or `turn`) segments, and each sink writes
    in a thread of its own. Live, nothing waits for anything slower: old frames are dropped before the
    segmenter, results before a slow sink. With files every frame is segmented and written.

    `add_objects` and its neighbours (`Steering`) may be called from any thread.

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
        self.options = live or LiveOptions()
        tracker = Tracker(segmenter, self.options, live=source.live)
        super().__init__(tracker, prompter or GrabCutPrompter())
        self.segmenter, self.source, self.name = segmenter, source, name
        self.rate = Rate()
        self.feeders: list[SinkFeeder] = []
        self.paused = self.done = False
        self.error: ErmuError | None = None
        self._sinks = sinks
        self._reader: StreamReader | None = None
        self._wake: Callable[[], None] = lambda: None

    @property
    def reader(self) -> StreamReader:
        """The source's reader.

        Raises:
            StateError: `begin` has not been called.
        """
        if self._reader is None:
            raise StateError(f"The stream {self.name} has not begun.", fix="call begin() or run() first")
        return self._reader

    @property
    def state(self) -> StreamState:
        """What a viewer should know."""
        if self.done:
            return StreamState.ENDED
        return self._reader.state if self._reader else StreamState.CONNECTING

    @property
    def frames(self) -> int:
        """Frames segmented in this run."""
        return self.tracker.frames

    @property
    def restarts(self) -> int:
        """Times that every memory began anew."""
        return self.tracker.restarts

    @property
    def latest(self) -> SegmentedFrame | None:
        """The latest frame with its result, None before the first."""
        return self.tracker.latest

    @property
    def objects(self) -> ObjectRegistry:
        """Every object's id, name and state."""
        return self.tracker.objects

    @property
    def memory_history(self) -> MemoryHistory:
        """What happened in the memory."""
        return self.tracker.memory_history

    @property
    def timings(self) -> Timings:
        """Milliseconds by stage."""
        return self.tracker.timings

    def run(
        self,
        prompt: LabelMap | None = None,
        *,
        max_frames: int | None = None,
        on_frame: OnFrame | None = None,
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
        on_frame: OnFrame | None = None,
    ) -> None:
        """Sets a run up; arguments as `run`. Nothing is read before `start`."""
        self._prompt, self._max_frames, self._on_frame = prompt, max_frames, on_frame
        self.done, self.error = False, None
        self.tracker.begin()
        self._first_stamp = self._last_stamp = 0.0
        self._reader = StreamReader(
            self.source,
            stale_seconds=self.options.stale_seconds,
            give_up_seconds=self.options.give_up_seconds,
            notify=lambda: self._wake(),
        )

    def start(self, wake: Callable[[], None]) -> None:
        """Starts the threads; `wake` is called whenever a turn may have something to do."""
        reader = self.reader
        self._wake = wake
        self._commands.serve(wake)
        self.feeders = [SinkFeeder(sink, lossy=self.source.live) for sink in self._sinks]
        self._first_stamp = perf_counter()
        reader.start()

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
        result = self.tracker.segment(frame, self._prompt)
        self.rate.tick(monotonic())
        for feeder in self.feeders:
            feeder.put(frame, result)
        if self._on_frame:
            self._on_frame(frame, result)
        if self._max_frames is not None and self.frames >= self._max_frames:
            self.done = True
        return True

    def finish(self, *, seconds: float | None = None) -> None:
        """Stops the threads; sinks finish what they hold. Finishing twice is harmless.

        Args:
            seconds: How long a busy sink may take; default, as long as it needs.

        Raises:
            StateError: `begin` has not been called.
            SinkError: a file's sink failed.
        """
        reader = self.reader
        if self._last_stamp:
            return
        self.done = True
        if seconds is None and self.source.live:
            seconds = _CLOSE_SECONDS
        deadline = None if seconds is None else monotonic() + seconds
        reader.stop()
        for feeder in self.feeders:
            feeder.finish(deadline)
        failures = []
        for feeder in self.feeders:
            try:
                feeder.join(deadline)
            except ErmuError as error:
                failures.append(error)
        self._last_stamp = perf_counter()
        self._commands.close()
        if failures:
            raise failures[0]

    def summary(self) -> RunSummary:
        """Figures of the run so far.

        Raises:
            StateError: `begin` has not been called.
        """
        reader = self.reader
        until = self._last_stamp or perf_counter()
        lost = self.source.reconnects and reader.state is StreamState.ENDED
        seconds = until - self._first_stamp if self._first_stamp else 0.0
        return RunSummary(self.frames, seconds, self.timings, lost)

    def pause(self) -> None:
        """Holds the stream; live frames are dropped meanwhile."""
        self.paused = True

    def resume(self) -> None:
        """Goes on with the next frame."""
        self.paused = False
        self._wake()

    def _ended(self) -> None:
        self.done = True
        if self.frames == 0:
            last = self.reader.last_error
            raise SourceError(
                f"The source {self.source.description} ended before its first frame."
                + (f" {last.problem}" if last else ""),
                expected="at least one frame",
            )
