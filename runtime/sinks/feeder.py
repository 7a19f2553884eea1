"""Feeds a sink from its own thread, so that a slow one delays nobody."""

from __future__ import annotations

import logging
from collections.abc import Callable
from enum import Enum
from functools import partial
from queue import Empty, Full, Queue
from threading import Thread
from time import monotonic, perf_counter

from ermu.errors import ErmuError, SinkError, StateError
from ermu.logs import in_stream
from ermu.runtime.results import FrameResult
from ermu.runtime.sinks.base import Sink
from ermu.runtime.sources.base import Frame
from ermu.runtime.timing.interval import Interval
from ermu.runtime.timing.statistics import Samples

_QUEUE = 4
_TELL_SECONDS = 60.0  # between two log lines about results that were dropped

logger = logging.getLogger("ermu.sinks")


class SinkState(str, Enum):
    """`stopped` means that the sink failed and takes nothing more."""

    RUNNING = "running"
    STOPPED = "stopped"
    CLOSED = "closed"


class SinkFeeder:
    """Hands frames to a sink in order.

    Args:
        sink: Used by the feeder's thread alone from now on.
        lossy: Drop a frame when the queue is full (live work) instead of waiting for room (files).
        stream: Its name, for the log.
    """

    def __init__(self, sink: Sink, *, lossy: bool, stream: str | None = None) -> None:
        self.sink, self._lossy = sink, lossy
        self._stream = stream if lossy else None
        self._busy_since: float | None = None
        self.state = SinkState.RUNNING
        self.error: SinkError | None = None
        self.written = self.dropped = 0
        self.ms = Samples()
        self._finishing = False
        self._say_dropped = Interval(_TELL_SECONDS)
        self._queue: Queue[tuple[Frame, FrameResult] | None] = Queue(_QUEUE)
        self._thread = Thread(target=self._feed, name=f"sink {sink.name}", daemon=True)
        self._thread.start()

    @property
    def busy_seconds(self) -> float:
        """How long it has been writing one result; 0 between two."""
        since = self._busy_since
        return 0.0 if since is None else monotonic() - since

    def put(self, frame: Frame, result: FrameResult) -> None:
        """Queues a frame; a stopped sink's are let go.

        Raises:
            SinkError: the sink has failed and no frame may be lost.
            StateError: `finish` has been called.
        """
        if self._finishing:
            raise StateError(f"The sink {self.sink.name} takes nothing more.", fix="put before finish")
        if self.error is not None:
            if not self._lossy:
                raise self.error
            self.dropped += 1
        elif self._lossy:
            try:
                self._queue.put_nowait((frame, result))
            except Full:
                self._drop()
        else:
            self._queue.put((frame, result))

    def join(self, deadline: float | None = None) -> None:
        """Waits until the sink has finished, after `finish`.

        Args:
            deadline: Monotonic time at which a sink that is still busy is abandoned; default, never.

        Raises:
            SinkError: the sink failed, or could not finish in time, and no frame may be lost.
            StateError: `finish` has not been called.
        """
        if not self._finishing:
            raise StateError(f"The sink {self.sink.name} is running.", fix="call finish first")
        left = None if deadline is None else max(0.0, deadline - monotonic())
        self._thread.join(left)
        if self._thread.is_alive() and self.error is None:
            self.state = SinkState.STOPPED
            self.error = SinkError(f"The sink {self.sink.name} did not finish in time.")
            logger.warning("%s", self.error.problem)
        if self.error is not None and not self._lossy:
            raise self.error

    def finish(self, deadline: float | None = None) -> None:
        """Tells the sink's thread that nothing more will come; frames are given up to make room for that.

        Finishing twice is harmless.
        """
        if self._finishing:
            return
        self._finishing = True
        while True:
            try:
                left = None if deadline is None else max(0.0, 0.5 * (deadline - monotonic()))
                self._queue.put(None, timeout=left)
                return
            except Full:
                try:
                    self._queue.get_nowait()
                    self.dropped += 1
                except Empty:
                    continue

    @property
    def problem(self) -> str | None:
        """Why it has stopped, or what keeps it from delivering just now."""
        return self.error.problem if self.error else self.sink.problem

    def _drop(self) -> None:
        self.dropped += 1
        if self._say_dropped.due():
            logger.info("The sink %s is slow: %d results dropped so far.", self.sink.name, self.dropped)

    def _feed(self) -> None:
        with in_stream(self._stream):
            self._feed_on()

    def _feed_on(self) -> None:
        while (item := self._queue.get()) is not None:
            if self.error is not None or item[0].gone:
                self.dropped += 1
                continue
            began, self._busy_since = perf_counter(), monotonic()
            self._attempt(partial(self.sink.write, *item))
            self._busy_since = None
            if self.error is None:
                self.written += 1
                self.ms.add(1e3 * (perf_counter() - began))
        self._attempt(self.sink.close)
        if self.state is SinkState.RUNNING:
            self.state = SinkState.CLOSED

    def _attempt(self, action: Callable[[], None]) -> None:
        try:
            action()
        except Exception as error:  # a sink may be anybody's: whatever it raises stops it, and it alone
            if self.error is None:
                self.error = error if isinstance(error, SinkError) else _wrapped(self.sink, error)
                logger.warning("The sink %s has stopped: %s", self.sink.name, self.error.problem)
            self.state = SinkState.STOPPED


def _wrapped(sink: Sink, error: Exception) -> SinkError:
    problem = error.problem if isinstance(error, ErmuError) else f"{type(error).__name__}: {error}"
    return SinkError(f"The sink {sink.name} failed: {problem}")
