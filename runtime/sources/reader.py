"""A thread that reads a source: every frame of a file, only the newest of a live stream, for weeks."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from enum import Enum
from threading import Condition, Event, Thread
from time import monotonic

from ermu.errors import ErmuError, OptionError, SourceError, StateError, counted
from ermu.logs import in_stream
from ermu.redaction import redact
from ermu.runtime.sources.backoff import Backoff
from ermu.runtime.sources.base import Frame, Source, still_there
from ermu.runtime.sources.cadence import Cadence
from ermu.runtime.timing.interval import Interval
from ermu.runtime.timing.statistics import Rate

_FILE_QUEUE = 4  # frames decoded ahead of the segmenter
_TELL_SECONDS = 60.0  # between two log lines about what goes on and on

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
            out old frames as good ones. None, by the stream's own rate (`Cadence`).
        give_up_seconds: Without a frame after which a live stream has ended; default, never.
        notify: Called after every frame and at the end, from the reader's thread.
        name: Of the stream, for the log.

    Raises:
        OptionError: a time is not positive.
    """

    def __init__(
        self,
        source: Source,
        *,
        stale_seconds: float | None = None,
        give_up_seconds: float | None = None,
        backoff: Backoff | None = None,
        notify: Callable[[], None] = lambda: None,
        name: str | None = None,
    ) -> None:
        for option, seconds in {"stale_seconds": stale_seconds, "give_up_seconds": give_up_seconds}.items():
            if seconds is not None and not seconds > 0:
                raise OptionError(f"{option} is {seconds}.", expected="more than 0 seconds")
        self.source = source
        self.received = self.dropped = self.reconnects = 0
        self.last_error: SourceError | None = None
        self.rate = Rate()
        self.gave_up = False  # for good: no frame came for as long as was to be waited
        self._cadence, self._give_up_seconds = Cadence(stale_seconds), give_up_seconds
        self._backoff, self._notify = backoff or Backoff(), notify
        self._changed = Condition()
        self._frames: deque[Frame] = deque()
        self._stop = Event()
        self._ended = self._told_lost = self._failing = False
        self._say_lost, self._say_dropped = Interval(_TELL_SECONDS), Interval(_TELL_SECONDS)
        self._error: ErmuError | None = None
        self._latest: float | None = None
        self._began = monotonic()
        self._name = name if source.live else None
        self._thread = Thread(target=self._read, name=f"read {self._shown}", daemon=True)

    @property
    def state(self) -> StreamState:
        if self._ended:
            return StreamState.ENDED
        if self._latest is None:
            return StreamState.CONNECTING
        quiet = self.source.live and monotonic() - self._latest > self._cadence.patience
        return StreamState.STALE if quiet else StreamState.LIVE

    @property
    def staleness(self) -> float:
        """Seconds since the newest frame; since the start where there was none."""
        return monotonic() - (self._began if self._latest is None else self._latest)

    @property
    def reason(self) -> str | None:
        """Why a live stream has no picture, or an old one, to be read behind its address and a colon.

        None where it is live, has ended well, or connects for the first time. For how long it has had none
        says `staleness`.
        """
        state = self.state
        if not self.source.live or state is StreamState.LIVE:
            return None
        if self._failing or self._ended:
            return self.last_reason
        if state is StreamState.CONNECTING and self.source.awaits in ("", "connecting"):
            return None
        return self.source.awaits or "waiting for the next picture"

    @property
    def last_reason(self) -> str | None:
        """Of the latest failure, as `reason`."""
        return None if self.last_error is None else self.in_words(self.last_error)

    def in_words(self, error: ErmuError) -> str:
        """What has happened, without the address, which stands before it."""
        return error.problem.removeprefix(f"{self._shown}: ").rstrip(".")

    @property
    def finished(self) -> bool:
        """Whether the last frame has been taken."""
        with self._changed:
            return self._ended and not self._frames and self._error is None

    def start(self) -> None:
        """Begins to read.

        Raises:
            StateError: it has begun before, or been stopped.
        """
        if self._thread.ident is not None or self._stop.is_set():
            raise StateError("This reader has been started before.", fix="make a new one for a new run")
        self._began = monotonic()
        self._thread.start()

    def take(self) -> Frame | None:
        """The next frame of a file, the newest of a live stream, or None if there is none yet or no more.

        Raises:
            SourceError: the file failed after the frames taken so far.
        """
        with self._changed:
            while self._frames:
                frame = still_there(self._frames.popleft())
                self._changed.notify_all()
                if frame is not None:
                    return frame
                self.dropped += 1
            if self._error is not None:
                error, self._error = self._error, None
                raise error
        return None

    def halt(self) -> None:
        """Tells the thread to end, and returns at once. Twice, or before the start, is harmless."""
        self._stop.set()
        self.source.close()
        if self._thread.ident is None:
            self._ended = True
        with self._changed:
            self._changed.notify_all()

    def stop(self, timeout: float = 1.0) -> None:
        """Ends the thread; one that is stuck in a decoder ends by itself at that decoder's time limit.

        Stopping twice, or before the start, is harmless.

        Args:
            timeout: Seconds to wait for it.
        """
        self.halt()
        if self._thread.is_alive():
            self._thread.join(timeout)

    def _read(self) -> None:
        with in_stream(self._name):
            self._read_on()

    def _read_on(self) -> None:
        try:
            while not self._stop.is_set():
                self._connection()
                if not self.source.reconnects or self._given_up() or self._stop.wait(self._pause()):
                    return
                self.reconnects += 1
        except Exception as error:  # handed to whoever takes the frames: nobody watches this thread
            self._error = error if isinstance(error, ErmuError) else _wrapped(self._shown, error)
        finally:
            with self._changed:
                self._ended = True
            self._notify()

    def _connection(self) -> None:
        """Reads until the source ends; the failure of a connection is kept for show only."""
        self._cadence.interrupted()
        try:
            for frame in self.source:
                if self._stop.is_set():
                    return
                self._put(frame)
        except SourceError as error:
            if not self.source.reconnects:
                raise
            self._lost(error)
        else:
            if self.source.reconnects and not self._stop.is_set():
                self._lost(SourceError(f"{self._shown}: the connection ended."))

    def _put(self, frame: Frame) -> None:
        with self._changed:
            if self.source.live:
                dropped = len(self._frames)
                self._frames.clear()
            else:
                dropped = 0
                self._changed.wait_for(lambda: len(self._frames) < _FILE_QUEUE or self._stop.is_set())
            self._frames.append(frame)
            self._latest = frame.stamp
            self.received += 1
            self.dropped += dropped
        self._failing = False
        self._backoff.reset()
        self._cadence.tick(frame.stamp)
        self._tell_frame(dropped)
        self.rate.tick(frame.stamp)
        self._notify()

    @property
    def _shown(self) -> str:
        return redact(self.source.description)

    def _lost(self, error: SourceError) -> None:
        """A loss is told once a minute at most, and its end where it was told itself."""
        self.last_error, self._failing = error, True
        if self._say_lost.due():
            logger.warning("%s: no frames (%s); connecting again", self._shown, self.in_words(error))
            self._told_lost = True

    def _tell_frame(self, dropped: int) -> None:
        if self._told_lost:
            logger.warning("%s: frames again (%s so far)", self._shown, counted(self.reconnects, "reconnect"))
            self._told_lost = False
        if dropped and self._say_dropped.due():
            logger.info("%s: %s dropped so far for newer ones", self._shown, counted(self.dropped, "frame"))

    def _pause(self) -> float:
        wait = self._backoff.next()
        if self._give_up_seconds is not None:
            wait = min(wait, max(0.0, self._give_up_seconds - self.staleness))
        return wait

    def _given_up(self) -> bool:
        late = self._give_up_seconds is not None and self.staleness >= self._give_up_seconds
        self.gave_up = late and not self._stop.is_set()
        return self.gave_up


def _wrapped(source: str, error: Exception) -> SourceError:
    """A source may be anybody's: whatever it raises ends its own stream alone."""
    wrapped = SourceError(f"The source {source} failed: {type(error).__name__}: {error}")
    wrapped.__cause__ = error
    return wrapped
