"""An outbox: what has to reach another machine, delivered in order by a thread of its own, tried again."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from threading import Condition, Thread
from time import monotonic
from typing import Generic, TypeVar

from ermu.errors import SinkError
from ermu.logs import in_stream
from ermu.runtime.sources.backoff import Backoff
from ermu.runtime.timing.interval import Interval

_TELL_SECONDS = 60.0  # between two log lines about what goes on and on

T = TypeVar("T")
logger = logging.getLogger("ermu.sinks")


class UndeliveredError(Exception):
    """An item did not arrive.

    Args:
        reason: Why, without secrets.
        again: Whether it may arrive later.
    """

    def __init__(self, reason: str, *, again: bool) -> None:
        super().__init__(reason)
        self.reason, self.again = reason, again


class Outbox(Generic[T]):
    """Delivers items one after another.

    One that may arrive later is tried again, with pauses that double up to a minute; meanwhile the newest
    wait, and the oldest give way where they are too many.

    Args:
        deliver: Called by the outbox's thread with each item, again and again until it returns.

            Raises `UndeliveredError`.
        where: For messages, without secrets.
        limit: Items that may wait.
        backoff: Of the pauses.
        stream: The live stream that it is about, for the log.

    Attributes:
        problem: Why the last try failed, None while all arrives.
        delivered: Items that arrived.
        lost: Items given up.
    """

    def __init__(
        self,
        deliver: Callable[[T], None],
        where: str,
        *,
        limit: int = 1000,
        backoff: Backoff | None = None,
        stream: str | None = None,
    ) -> None:
        self._deliver, self._where, self._limit = deliver, where, limit
        self._backoff = backoff or Backoff(limit=60.0)
        self.problem: str | None = None
        self.delivered = self.lost = 0
        self._items: deque[T] = deque()
        self._changed = Condition()
        self._deadline: float | None = None
        self._say = Interval(_TELL_SECONDS)
        self._stream = stream
        self._thread = Thread(target=self._work, name=f"deliver to {where}", daemon=True)
        self._thread.start()

    def put(self, item: T) -> None:
        """Has an item delivered soon; returns at once."""
        with self._changed:
            if len(self._items) >= self._limit:
                self._items.popleft()
                self._lose("too many wait")
            self._items.append(item)
            self._changed.notify()

    def close(self, seconds: float) -> None:
        """Delivers what waits, and gives up what has not arrived after so long; closing twice is harmless.

        Raises:
            SinkError: items were lost, now or before.
        """
        with self._changed:
            if self._deadline is not None:
                return
            self._deadline = monotonic() + seconds
            self._changed.notify()
        self._thread.join(seconds + 0.1)
        with self._changed:
            self.lost += len(self._items)
            self._items.clear()
        if self.lost:
            sent = self.lost + self.delivered
            raise SinkError(
                f"{self.lost} of {sent} messages did not reach {self.problem or self._where}.",
                fix="see that it takes them; what arrived, arrived in order",
            )

    def _work(self) -> None:
        with in_stream(self._stream):
            while (item := self._next()) is not None:
                try:
                    self._deliver(item)
                except UndeliveredError as error:
                    self._failed(item, error)
                else:
                    self._arrived(item)

    def _next(self) -> T | None:
        """The oldest item, which stays in its place until it has arrived; None at the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._items or self._deadline is not None)
            return self._items[0] if self._items and not self._over() else None

    def _failed(self, item: T, error: UndeliveredError) -> None:
        with self._changed:
            self.problem = f"{self._where}: {error.reason}"
            if not error.again:
                self._drop(item)
                self._lose(error.reason)
                return
            if self._say.due():
                logger.warning("%s; tried again, %d messages wait.", self.problem, len(self._items))
            pause = self._backoff.next()
            if self._deadline is None:
                self._changed.wait_for(lambda: self._deadline is not None, pause)
            else:
                self._changed.wait_for(self._over, min(pause, max(0.0, self._deadline - monotonic())))

    def _arrived(self, item: T) -> None:
        with self._changed:
            self._drop(item)
            self.delivered += 1
            if self.problem is not None:
                logger.warning("%s: messages arrive again.", self._where)
            self.problem = None
            self._backoff.reset()

    def _drop(self, item: T) -> None:
        if self._items and self._items[0] is item:  # or it gave way to newer ones meanwhile
            self._items.popleft()

    def _lose(self, reason: str) -> None:
        self.lost += 1
        if self._say.due():
            logger.warning("%s: a message is given up (%s); %d so far.", self._where, reason, self.lost)

    def _over(self) -> bool:
        return self._deadline is not None and monotonic() >= self._deadline
