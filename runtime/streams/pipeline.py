"""The Pipeline: a source's frames through the segmenter into the sinks, steered while it runs."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from time import monotonic, perf_counter

from ermu.errors import ErmuError, OptionError, PromptError, StateError
from ermu.registries import POLICIES
from ermu.runtime.images.prompter import Prompter
from ermu.runtime.prompts import Prompts
from ermu.runtime.results import FrameResult
from ermu.runtime.segmenter import Segmenter
from ermu.runtime.sinks.base import Sink
from ermu.runtime.sinks.feeder import SinkFeeder
from ermu.runtime.sources.base import Frame, Source, still_there
from ermu.runtime.sources.reader import StreamReader, StreamState
from ermu.runtime.streams.live_options import LiveOptions
from ermu.runtime.streams.memory_history import MemoryHistory
from ermu.runtime.streams.object_registry import ObjectRegistry
from ermu.runtime.streams.run import OnFrame, Run
from ermu.runtime.streams.run_summary import RunSummary
from ermu.runtime.streams.segmented_frame import SegmentedFrame
from ermu.runtime.streams.sessions.portable_stream import PortableStream
from ermu.runtime.streams.tracker import Tracker
from ermu.runtime.timing.statistics import Rate, Timings
from ermu.types import LabelMap

_CLOSE_SECONDS = 1.5
_READER_SECONDS = 0.5  # from `halt` on: one that is stuck in a decoder ends by itself

logger = logging.getLogger("ermu.streams")


class Pipeline(PortableStream):
    """One stream from its source to its sinks.

    A reader thread decodes, the worker (the thread that calls `run` or `turn`) segments, and each sink writes
    in a thread of its own. Live, nothing waits for anything slower: old frames are dropped before the
    segmenter, results before a slow sink. With files every frame is segmented and written.

    `add_objects` and its neighbours (`Steering`) may be called from any thread. A pipeline runs once.

    Args:
        segmenter: Reset when the run begins, unless a session was restored; may share its backend with other
            pipelines' segmenters.
        source: Closed by the caller.
        sinks: Take every frame in order; closed at the end, also when it fails.
        name: Of the stream.
        live: How to treat losses and changes.
        prompter: Turns boxes and clicks into masks; default, the network where it takes them, else GrabCut.
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
        tracker = Tracker(segmenter, self.options, live=source.live, fps=source.fps)
        super().__init__(tracker, prompter)
        self.segmenter, self.source, self.name = segmenter, source, name
        self.rate = Rate()
        self.feeders: list[SinkFeeder] = []
        self.paused = self.done = False
        self._frame: Frame | None = None  # taken, and not segmented yet
        self.error: ErmuError | None = None
        self._sinks = sinks
        self._run: Run | None = None
        self._finished = self._withheld = self._renewing = False
        self._halted = 0.0  # when, by the monotonic clock

    @property
    def reader(self) -> StreamReader:
        """The source's reader.

        Raises:
            StateError: `begin` has not been called.
        """
        return self._begun().reader

    @property
    def state(self) -> StreamState:
        """What a viewer should know."""
        if self.done:
            return StreamState.ENDED
        return self._run.reader.state if self._run else StreamState.CONNECTING

    @property
    def trouble(self) -> str | None:
        """What it has failed of, or else why there is no picture or an old one, without its address."""
        if self._run is None:
            return None if self.error is None else self.error.problem
        reader = self._run.reader
        return reader.in_words(self.error) if self.error else reader.reason

    @property
    def awaits_prompt(self) -> bool:
        """Whether it has begun, or will, with nothing to follow."""
        return self._begun().prompt is None and self._knows_none

    @property
    def _knows_none(self) -> bool:
        """Whether neither a session nor anybody has brought objects in."""
        return not self.objects.ids and self.tracker.primed is None

    @property
    def strict(self) -> bool:
        """Whether the run is to fail rather than go on with a loss."""
        return self._run is not None and self._run.strict

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
        prompt: LabelMap | Prompts | None = None,
        *,
        max_frames: int | None = None,
        on_frame: OnFrame | None = None,
        strict: bool = False,
    ) -> RunSummary:
        """Segments the stream from its first frame to its end.

        Args:
            prompt: Label map of the first frame, uint8 H x W, or `Prompts` for several frames; without one
                the stream begins with no object.
            max_frames: Stop after so many frames.
            on_frame: Called by the worker after every frame.
            strict: Refuse damaged frames, a source that ends early and a lost device, instead of reporting
                them.

        Raises:
            SourceError: the source ends before its first frame, a file's frame changes size, or, with
                `strict`, a frame is damaged or missing.
            PromptError: a prompt does not fit its frame, or its frame does not come.
            SinkError: a file's result cannot be written; those already written stay.
        """
        from ermu.runtime.streams.work.scheduler import Scheduler

        self.begin(prompt, max_frames=max_frames, on_frame=on_frame, strict=strict)
        Scheduler([self]).run()
        return self.summary()

    def begin(
        self,
        prompt: LabelMap | Prompts | None = None,
        *,
        max_frames: int | None = None,
        on_frame: OnFrame | None = None,
        strict: bool = False,
    ) -> None:
        """Sets the run up; arguments as `run`. Nothing is read before `start`.

        Raises:
            OptionError: fewer than one frame is asked for.
            StateError: it has begun before.
            PromptError: a session was restored, and there is a first frame's label map as well.
        """
        if self._run is not None or self._finished:
            raise StateError(f"The stream {self.name} has begun before.", fix="make a new Pipeline")
        if max_frames is not None and max_frames < 1:
            raise OptionError(f"max_frames is {max_frames}.", expected="at least 1, or None")
        if self.source.live and not POLICIES.get(self.segmenter.policy).bounded:
            logger.warning(
                "The stream %s is live and the policy %s keeps every frame: memory grows until it ends. "
                "--policy ermu --gap 5 --capacity 9 bounds it.",
                self.name,
                self.segmenter.policy,
            )
        if self.latest is None:
            self.segmenter.reset()
        if (self.latest or self.tracker.primed) and prompt is not None and not isinstance(prompt, Prompts):
            raise PromptError(
                f"The stream {self.name} goes on from a session, which has its objects.",
                expected="no label map of a first frame",
            )
        self.source.leave_on(self.tracker.device)
        reader = StreamReader(
            self.source,
            stale_seconds=self.options.stale_seconds,
            give_up_seconds=self.options.give_up_seconds,
            notify=self._commands.wake,
            name=self.name,
        )
        self._run = Run(reader, prompt, max_frames, on_frame, strict=strict)

    def start(self, wake: Callable[[], None]) -> None:
        """Starts the threads; `wake` is called whenever a turn may have something to do.

        Raises:
            StateError: `begin` has not been called, or `start` has.
        """
        run = self._begun()
        if run.began is not None or self._finished:
            raise StateError(f"The stream {self.name} has been started before.", fix="make a new Pipeline")
        self._commands.serve(wake)
        self.feeders = self._fed()
        run.began = perf_counter()
        run.reader.start()

    def turn(self, *, commands_only: bool = False) -> bool:
        """Does the waiting commands and, unless those are all, at most one frame; returns whether it did one.

        Raises:
            ErmuError: as `run`; the pipeline is then done.
            StateError: `start` has not been called.
        """
        run = self._started()
        if self._renewing and not self.done:
            self.tracker.renew()
            self._renewing, self._frame = False, still_there(self._frame)
        self._commands.run()
        if commands_only or self.paused or self.done or self._waits():
            return False
        self._release()
        if self._full(run):
            self.done = True
            return False
        frame = self._frame or run.reader.take()
        if frame is None:
            if run.reader.finished:
                self._source_ended(run)
            return False
        if frame.damaged and frame is not self._frame:
            run.note_damaged(frame)
        self._frame = frame
        result = self._prompted(run, frame, self.tracker.segment(frame, run.prompt))
        self._frame = None
        self.rate.tick(monotonic())
        self._feed(frame, result)
        if run.on_frame:
            run.on_frame(frame, result)
        if self._full(run):
            self.done = True
            if isinstance(run.prompt, Prompts):
                run.prompt.check_used(self.frames, stopped=True)
        return True

    def halt(self, *, seconds: float | None = None) -> None:
        """Tells the threads to end, without waiting for them: `finish` does. Twice is harmless.

        Args:
            seconds: As of `finish`; a sink whose queue is full may take half of them.
        """
        self.done = True
        deadline = None if seconds is None else monotonic() + seconds
        self._halted = self._halted or monotonic()
        if self._run is not None:
            self._run.reader.halt()
        self.feeders = self.feeders or self._fed()  # never started, their sinks have to be closed still
        for feeder in self.feeders:
            feeder.finish(deadline)

    def finish(self, *, seconds: float | None = None) -> None:
        """Stops the threads; sinks finish what they hold. Finishing twice, or before the start, is harmless.

        Args:
            seconds: How long a busy sink may take; default, as long as it needs.

        Raises:
            SinkError: a file's sink failed.
        """
        if self._finished:
            return
        self._finished = True
        if seconds is None and self.source.live:
            seconds = _CLOSE_SECONDS
        deadline = None if seconds is None else monotonic() + seconds
        self.halt(seconds=seconds)
        failures = []
        for feeder in self.feeders:
            try:
                feeder.join(deadline)
            except ErmuError as error:
                failures.append(error)
        if self._run is not None:
            self._run.reader.stop(max(0.0, self._halted + _READER_SECONDS - monotonic()))
            self._run.ended = perf_counter()
        self._commands.close()
        if failures:
            raise failures[0]

    def summary(self) -> RunSummary:
        """Figures of the run so far.

        Raises:
            StateError: the run has not started.
        """
        run = self._started()
        losses = tuple(self.tracker.device_losses)
        return RunSummary(self.frames, run.seconds, self.timings, run.lost, run.missing, run.damaged, losses)

    def pause(self) -> None:
        """Holds the stream; live frames are dropped meanwhile."""
        self.paused = True

    def resume(self) -> None:
        """Goes on with the next frame."""
        self.paused = False
        self._commands.wake()

    def renew(self) -> None:
        """Has the next turn begin every memory anew: the device that they were on has been lost.

        The frame that was under way is segmented again, whatever kind of source it is from.
        """
        self._renewing = True

    def fail(self, error: ErmuError) -> None:
        """Ends the run with an error; the first one counts."""
        self.error, self.done = self.error or error, True

    def _prompted(self, run: Run, frame: Frame, result: FrameResult) -> FrameResult:
        """A frame's result with what is followed from it on because of what is seen on it."""
        if isinstance(run.prompt, Prompts):
            followed = len(self.objects.ids)
            if run.prompt.after(frame, result.frame, followed, self.add_detections):
                return self.tracker.shown().result
        return result

    def _full(self, run: Run) -> bool:
        """Whether as many frames as were asked for have gone to the sinks."""
        return run.max_frames is not None and self.frames >= run.max_frames and not self._withheld

    def _waits(self) -> bool:
        """Whether a file's first frame waits for somebody to draw on it."""
        waiting = self.options.wait_for_objects and not self.source.live
        return waiting and self.frames > 0 and not self.objects.ids

    def _feed(self, frame: Frame, result: FrameResult) -> None:
        """Gives the sinks a frame; while it waits to be drawn on, to those alone that are looked at."""
        self._withheld = self._waits()
        for feeder in self.feeders:
            if feeder.sink.is_view or not self._withheld:
                feeder.put(frame, result)

    def _release(self) -> None:
        """Gives the sinks the frame that waited, with what was drawn on it."""
        latest = self.latest
        if self._withheld and latest is not None:
            self._feed(latest.frame, latest.result)

    def _begun(self) -> Run:
        if self._run is None:
            raise StateError(f"The stream {self.name} has not begun.", fix="call begin() or run() first")
        return self._run

    def _started(self) -> Run:
        run = self._begun()
        if run.began is None:
            raise StateError(
                f"The stream {self.name} has not started.", fix="call run(), or run a Scheduler with it"
            )
        return run

    def _fed(self) -> list[SinkFeeder]:
        return [SinkFeeder(sink, lossy=self.source.live, stream=self.name) for sink in self._sinks]

    def _source_ended(self, run: Run) -> None:
        self.done, run.lost = True, run.reader.gave_up
        if self.frames and isinstance(run.prompt, Prompts):
            run.prompt.check_used(self.frames)
        if self.frames == 0:
            raise run.without_frames()
        run.note_missing(self.source.missing, self.frames)
