"""Gives many streams fair turns on one set of graphs."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from threading import Event
from time import monotonic, perf_counter
from typing import Protocol, TypeVar

from ermu.errors import BackendError, ErmuError
from ermu.logs import in_stream
from ermu.runtime.streams.pipeline import Pipeline
from ermu.runtime.streams.work.command_queue import CommandQueue
from ermu.runtime.streams.work.recovery import Recovery

_IDLE_SECONDS = 0.25
_STOP_SECONDS = 1.5

T = TypeVar("T", bound=Hashable)
A = TypeVar("A")

logger = logging.getLogger("ermu.streams")


class Shared(Protocol):
    """What the streams share and a fault may end: `SharedBackend`."""

    @property
    def recovery(self) -> Recovery: ...

    @property
    def lost(self) -> bool: ...

    def settle(self) -> None: ...


class Turns:
    """Whose turn it is, by the time that turns take: start-time fair queuing (Goyal, Vin and Cheng, 1996).

    A turn begins where the stream's last one ended on an axis of worked time, or where the axis has come to
    meanwhile: whoever had no frame saves nothing up. The earliest goes first, of equals the one that has
    waited longest.
    """

    def __init__(self) -> None:
        self._now, self._turn = 0.0, 0
        self._ends = dict[Hashable, float]()
        self._served = dict[Hashable, int]()

    def order(self, streams: Sequence[T]) -> list[T]:
        """Streams in the order in which they are to be asked for a frame."""
        return sorted(streams, key=lambda stream: (self._begin(stream), self._served.get(stream, 0)))

    def take(self, stream: Hashable, seconds: float) -> None:
        """A stream has had its turn."""
        self._now, self._turn = self._begin(stream), self._turn + 1
        self._served[stream] = self._turn
        self.charge(stream, seconds)

    def charge(self, stream: Hashable, seconds: float) -> None:
        """A stream has used time, in its turn or between turns."""
        self._ends[stream] = self._begin(stream) + seconds

    def forget(self, stream: Hashable) -> None:
        """A stream has left."""
        self._ends.pop(stream, None)
        self._served.pop(stream, None)

    def _begin(self, stream: Hashable) -> float:
        return max(self._now, self._ends.get(stream, 0.0))


class Scheduler:
    """One worker for every stream.

    Graphs and their bindings belong to one thread, so streams take turns, by time and not by frames: one of
    many groups gets as much of it as one of a single group. A stream with no new frame is passed over at
    once. One that fails or ends leaves the others alone.

    Where a fault has ended the device, it is opened anew, and every stream begins its memories again from its
    latest label map, those of other workers on it as well. A stream in whose turn that happens twice, with no
    whole frame in between, has failed.

    Args:
        pipelines: Set up with `Pipeline.begin`.
        endless: Go on when every stream has ended, until `stop`: somebody may still be looking.
        shared: What the pipelines' segmenters share; None, a lost device ends each stream.
        alone: Whether there is no other stream anywhere: what it fails of is then the error that `run` ends
            with at once, and no warning says it before.
    """

    def __init__(
        self,
        pipelines: Sequence[Pipeline],
        *,
        endless: bool = False,
        shared: Shared | None = None,
        alone: bool = False,
    ) -> None:
        self._failed_level = logging.INFO if alone and not endless else logging.WARNING
        self.pipelines, self._endless, self._shared = list(pipelines), endless, shared
        self._wake, self._stop, self._turns = Event(), Event(), Turns()
        self._commands = CommandQueue()
        self._suspects = set[Pipeline]()  # lost the device in their turn, and have segmented nothing since
        self._resets = 0  # of the device; after one each turn waits for its work, to be blamed for its own

    def run(self, *, on_turn: Callable[[], None] = lambda: None) -> None:
        """Works until every stream has ended or `stop` is called; then sinks are finished.

        Args:
            on_turn: Called after every turn.

        Raises:
            ErmuError: the first stream's that failed, after all have ended.
            DeviceLostError: the device does not come back in this process.
            StateError: a stream has not begun, or has run before; the others' sinks are closed.
        """
        try:
            self._commands.serve(self._wake.set)
            for pipeline in self.pipelines:
                pipeline.start(self._wake.set)
            while not self._over():
                self._wake.clear()
                with self._at_work():
                    self._commands.run()
                    busy = self._next()
                on_turn()
                if not busy and not self._over():
                    self._wake.wait(_IDLE_SECONDS)
        finally:
            self._commands.close()
            self._finish()
        failed = next((pipeline.error for pipeline in self.pipelines if pipeline.error), None)
        if failed is not None:
            raise failed

    def stop(self) -> None:
        """Ends the run soon, cleanly; may be called from a signal handler or another thread."""
        self._stop.set()
        self._wake.set()

    def ask(self, action: Callable[[], A]) -> A:
        """Has the worker do something between two turns, and waits for it; from any thread.

        Raises:
            TimeoutError: the worker did not come to it within ten seconds; it will not be done.
            Exception: whatever the action raised.
        """
        return self._commands.ask(action)

    def add(self, pipeline: Pipeline) -> None:
        """Takes in a stream while the others go on; from any thread.

        Args:
            pipeline: Set up with `Pipeline.begin`.

        Raises:
            TimeoutError: as `ask`.
            StateError: it has not begun, or has run before.
        """

        def start() -> None:
            pipeline.start(self._wake.set)
            self.pipelines = [*self.pipelines, pipeline]

        self.ask(start)

    def remove(self, pipeline: Pipeline) -> None:
        """Gives a stream no turn any more; from any thread. It is the caller's to finish.

        Raises:
            TimeoutError: as `ask`.
        """

        def leave() -> None:
            self.pipelines = [each for each in self.pipelines if each is not pipeline]
            self._suspects.discard(pipeline)
            self._turns.forget(pipeline)

        self.ask(leave)

    @property
    def stopping(self) -> bool:
        return self._stop.is_set()

    def _over(self) -> bool:
        all_done = all(pipeline.done for pipeline in self.pipelines)
        return self._stop.is_set() or (not self._endless and all_done)

    @contextmanager
    def _at_work(self) -> Iterator[None]:
        """On the device, which another worker may have opened anew since."""
        if self._shared is None:
            yield
            return
        with self._shared.recovery.turn():
            self._renew(self._shared.recovery)
            yield

    def _renew(self, recovery: Recovery) -> None:
        """Has every stream begin its memories anew, where they have been lost."""
        if recovery.resets != self._resets:
            self._resets = recovery.resets
            for pipeline in self.pipelines:
                if pipeline.strict and not pipeline.done:
                    self._fail(pipeline, BackendError("The device was lost, and every memory with it."))
                elif not pipeline.done:
                    pipeline.renew()

    def _next(self) -> bool:
        """Does everybody's commands, and the frame of the first in order that has one; whether any had."""
        for pipeline in self.pipelines:
            began = perf_counter()
            self._turn(pipeline, commands_only=True)
            self._turns.charge(pipeline, perf_counter() - began)
        for pipeline in self._turns.order(self.pipelines):
            began = perf_counter()
            if self._turn(pipeline):
                self._turns.take(pipeline, perf_counter() - began)
                return True
        return False

    def _turn(self, pipeline: Pipeline, *, commands_only: bool = False) -> bool:
        with in_stream(pipeline.name if pipeline.source.live else None):
            return self._take_turn(pipeline, commands_only=commands_only)

    def _take_turn(self, pipeline: Pipeline, *, commands_only: bool) -> bool:
        was_done = pipeline.done
        try:
            segmented = pipeline.turn(commands_only=commands_only)
            if segmented and self._resets and self._shared is not None:
                self._shared.settle()
        except ErmuError as error:
            failure = error
        else:
            if pipeline.done and not was_done:
                logger.info("The stream %s has ended after %d frames.", pipeline.name, pipeline.frames)
            if segmented:
                self._suspects.discard(pipeline)
            return segmented
        if self._shared is not None and self._shared.lost:
            return self._recovered(pipeline, failure, self._shared.recovery)
        self._fail(pipeline, failure)
        return False

    def _fail(self, pipeline: Pipeline, error: ErmuError) -> None:
        pipeline.fail(error)
        pipeline.segmenter.reset()  # its memory is the others'
        logger.log(self._failed_level, "The stream %s has failed: %s", pipeline.name, error.problem)

    def _recovered(self, pipeline: Pipeline, error: ErmuError, recovery: Recovery) -> bool:
        """Opens the lost device anew for every stream; the one in whose turn it was lost has a second try."""
        logger.warning("The device was lost in a turn of %s: %s", pipeline.name, error.problem)
        _forget_frames(error)
        if recovery.recover(self._resets):  # else another worker lost it, and this one has noticed
            if pipeline in self._suspects or pipeline.strict:
                self._fail(pipeline, error)
            self._suspects.add(pipeline)
        self._renew(recovery)
        return True

    def _finish(self) -> None:
        """Ends every stream; after a stop all of them have the same few seconds together."""
        deadline = monotonic() + _STOP_SECONDS

        def left() -> float | None:
            return max(0.0, deadline - monotonic()) if self._stop.is_set() else None

        for pipeline in self.pipelines:
            if self._stop.is_set():
                pipeline.halt(seconds=left())
        for pipeline in self.pipelines:
            try:
                pipeline.finish(seconds=left())
            except ErmuError as error:
                pipeline.fail(error)


def _forget_frames(error: BaseException | None) -> None:
    """Drops what the functions that failed still hold: it lies on a device that is to be reset."""
    while error is not None:
        traceback.clear_frames(error.__traceback__)
        error = error.__cause__ or error.__context__
