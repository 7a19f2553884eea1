"""A thread that reads a source: every frame of a file, only the newest of a live stream, for weeks."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from enum import Enum
from threading import Condition, Event, Thread
from time import monotonic

from ermu.errors import SourceError
from ermu.runtime.sources.backoff import Backoff
from ermu.runtime.sources.base import Frame, Source
from ermu.runtime.sources.redaction import redact
from ermu.runtime.timing.statistics import Rate

_FILE_QUEUE = 4  # frames decoded ahead of the segmenter
_DROPS_TOLD = 100  # frames dropped between two lines in the log

logger = logging.getLogger("ermu.sources")


class StreamState(str, Enum):
    """What a viewer should know of a stream: `stale` means that the label map on show is an old one."""

    CONNECTING = "connecting"
    LIVE = "live"
    STALE = "stale"
    ENDED = "ended"


class StreamReader:
    """Reads in the background.

    A live source's frames replace each other in a single slot, so the reader never waits for the segmenter
    and latency cannot build up; a connection that ends or fails is opened again, with growing pauses. A
    file's frames wait in a short queue, and its first failure is final.

    Args:
        source: Read by this thread alone from now on.
        stale_seconds: Without a frame after which a live stream is stale: our own clock, since decoders hand
            out old frames as good ones.
        give_up_seconds: Without a frame after which a live stream has ended; default, never.
        notify: Called after every frame and at the end, from the reader's thread.
    """

    def __init__(
        self,
        source: Source,
        *,
        stale_seconds: float = 1.0,
        give_up_seconds: float | None = None,
        backoff: Backoff | None = None,
        notify: Callable[[], None] = lambda: None,
    ) -> None:
        self.source = source
        self.received = self.dropped = self.reconnects = 0
        self.last_error: SourceError | None = None
        self.rate = Rate()
        self._stale_seconds, self._give_up_seconds = stale_seconds, give_up_seconds
        self._backoff, self._notify = backoff or Backoff(), notify
        self._changed = Condition()
        self._frames: deque[Frame] = deque()
        self._stop = Event()
        self._ended = False
        self._error: Exception | None = None
        self._latest: float | None = None
        self._began = monotonic()
        self._thread = Thread(target=self._read, name=f"read {source.description}", daemon=True)

    @property
    def state(self) -> StreamState:
        if self._ended:
            return StreamState.ENDED
        if self._latest is None:
            return StreamState.CONNECTING
        quiet = self.source.live and monotonic() - self._latest > self._stale_seconds
        return StreamState.STALE if quiet else StreamState.LIVE

    @property
    def staleness(self) -> float:
        """Seconds since the newest frame; since the start where there was none."""
        return monotonic() - (self._began if self._latest is None else self._latest)

    @property
    def finished(self) -> bool:
        """Whether the last frame has been taken."""
        with self._changed:
            return self._ended and not self._frames and self._error is None

    def start(self) -> None:
        """Begins to read."""
        self._began = monotonic()
        self._thread.start()

    def take(self) -> Frame | None:
        """The next frame of a file, the newest of a live stream, or None if there is none yet or no more.

        Raises:
            SourceError: the file failed after the frames taken so far.
        """
        with self._changed:
            if self._frames:
                frame = self._frames.popleft()
                self._changed.notify_all()
                return frame
            if self._error is not None:
                error, self._error = self._error, None
                raise error
        return None

    def stop(self, timeout: float = 1.0) -> None:
        """Ends the thread; one that is stuck in a decoder ends by itself at that decoder's time limit."""
        self._stop.set()
        self.source.close()
        with self._changed:
            self._changed.notify_all()
        if self._thread.is_alive():
            self._thread.join(timeout)

    def _read(self) -> None:
        try:
            while not self._stop.is_set():
                self._connection()
                if not self.source.reconnects or self._given_up() or self._stop.wait(self._pause()):
                    return
                self.reconnects += 1
                logger.info("%s: connecting again, for the %d. time.", self._described, self.reconnects)
        except Exception as error:  # handed to whoever takes the frames: nobody watches this thread
            self._error = error
        finally:
            with self._changed:
                self._ended = True
            self._notify()

    def _connection(self) -> None:
        """Reads until the source ends; the failure of a connection is kept for show only."""
        try:
            for frame in self.source:
                if self._stop.is_set():
                    return
                self._put(frame)
        except SourceError as error:
            if not self.source.reconnects:
                raise
            self.last_error = error
            logger.warning("%s: the connection is lost: %s", self._described, redact(error.problem))

    def _put(self, frame: Frame) -> None:
        with self._changed:
            if self.source.live:
                self._drop()
            else:
                self._changed.wait_for(lambda: len(self._frames) < _FILE_QUEUE or self._stop.is_set())
            self._frames.append(frame)
            self._latest = frame.stamp
            self.received += 1
        self._backoff.reset()
        self.rate.tick(frame.stamp)
        self._notify()

    def _drop(self) -> None:
        """Lets go of what the segmenter was too slow for."""
        for _ in range(len(self._frames)):
            if self.dropped % _DROPS_TOLD == 0:
                logger.info("%s: frames are dropped, %d so far.", self._described, self.dropped)
            self.dropped += 1
        self._frames.clear()

    @property
    def _described(self) -> str:
        return redact(self.source.description)

    def _pause(self) -> float:
        wait = self._backoff.next()
        if self._give_up_seconds is not None:
            wait = min(wait, max(0.0, self._give_up_seconds - self.staleness))
        return wait

    def _given_up(self) -> bool:
        return self._give_up_seconds is not None and self.staleness >= self._give_up_seconds
