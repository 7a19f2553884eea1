"""SIGINT and SIGTERM as a command's way to a clean end."""

from __future__ import annotations

import signal
from collections.abc import Callable
from threading import Event
from types import TracebackType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ermu.runtime.streams.work.lanes import Workers
    from ermu.runtime.streams.work.scheduler import Scheduler

_LOOK_SECONDS = 1.0  # a wait without an end would hold a signal back


class StopSignals:
    """Ends streams in good order when a signal comes; a second one ends the process at once.

    A context manager: entered before anybody can see that the command runs, for whoever sees it may end it.
    """

    def __init__(self) -> None:
        self._came: int | None = None
        self._stop: Callable[[], None] = lambda: None
        self._before: dict[int, Any] = {}

    def run(
        self,
        scheduler: Scheduler | Workers,
        *,
        on_turn: Callable[[], None] = lambda: None,
        on_stop: Callable[[], None] = lambda: None,
    ) -> int | None:
        """Runs the streams until they end or a signal comes; one that has come already counts.

        Args:
            scheduler: Of the streams.
            on_turn: Called after every round.
            on_stop: Called from the signal handler; returns at once.

        Returns:
            The signal that came, None where the streams ended.

        Raises:
            ErmuError: as `Scheduler.run`.
        """

        def stop() -> None:
            scheduler.stop()
            on_stop()

        self._stop = stop
        if self._came is not None:
            stop()
        scheduler.run(on_turn=on_turn)
        return self._came

    def wait(self, over: Event, *, on_stop: Callable[[], None] = lambda: None) -> int | None:
        """Waits for something to be over, or a signal; one that has come already counts.

        Args:
            over: Set at the end, by anybody; by a signal as well.
            on_stop: As of `run`.

        Returns:
            The signal that came, if one did.
        """

        def stop() -> None:
            over.set()
            on_stop()

        self._stop = stop
        if self._came is not None:
            stop()
        while not over.wait(_LOOK_SECONDS):
            continue
        return self._came

    def _handle(self, number: int, frame: object) -> None:
        if self._came is not None:
            raise SystemExit(128 + number)
        self._came = number
        self._stop()

    def __enter__(self) -> StopSignals:
        numbers = (signal.SIGINT, signal.SIGTERM)
        self._before = {number: signal.signal(number, self._handle) for number in numbers}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
