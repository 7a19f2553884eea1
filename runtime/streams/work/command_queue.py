"""Commands from any thread, done by one worker between two pieces of its work."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from threading import RLock, get_ident
from typing import TypeVar

T = TypeVar("T")
_WAIT_SECONDS = 10.0


class CommandQueue:
    """Hands actions to the worker and their results back to whoever asked; one action at a time."""

    def __init__(self) -> None:
        self._waiting: deque[Callable[[], None]] = deque()
        self._worker: int | None = None
        self._wake: Callable[[], None] = lambda: None
        self._lock = RLock()

    def serve(self, wake: Callable[[], None]) -> None:
        """Makes the calling thread the worker; `wake` is called whenever a command waits for it."""
        self._worker, self._wake = get_ident(), wake

    def wake(self) -> None:
        """Tells the worker that there may be something to do."""
        self._wake()

    def run(self) -> None:
        """Does what waits; the worker's part."""
        while self._waiting:
            self._waiting.popleft()()

    def close(self) -> None:
        """Does what waits, and from now on every command at once: there is no worker any more."""
        with self._lock:
            self._worker = None
            self.run()

    def ask(self, action: Callable[[], T]) -> T:
        """Has the worker do something and waits for it; done at once where there is no worker, or by it.

        Raises:
            TimeoutError: the worker did not come to it within ten seconds; it will not be done.
            Exception: whatever the action raised.
        """
        future: Future[T] = Future()

        def command() -> None:
            if not future.set_running_or_notify_cancel():
                return
            try:
                future.set_result(action())
            except Exception as error:  # whoever asked is told, not the worker
                future.set_exception(error)

        with self._lock:
            if self._worker in (None, get_ident()):
                return action()
            self._waiting.append(command)
        self._wake()
        return self._awaited(future)

    def _awaited(self, future: Future[T]) -> T:
        try:
            return future.result(_WAIT_SECONDS)
        except FutureTimeoutError:
            if future.cancel():
                raise TimeoutError("the worker is too busy") from None
            return future.result()  # it has just come to it
