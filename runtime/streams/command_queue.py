"""Commands from any thread, done by one worker between two pieces of its work."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from threading import get_ident
from typing import TypeVar

T = TypeVar("T")
_WAIT_SECONDS = 10.0


class CommandQueue:
    """Hands actions to the worker and their results back to whoever asked."""

    def __init__(self) -> None:
        self._waiting: deque[Callable[[], None]] = deque()
        self._worker: int | None = None
        self._wake: Callable[[], None] = lambda: None

    def serve(self, wake: Callable[[], None]) -> None:
        """Makes the calling thread the worker; `wake` is called whenever a command waits for it."""
        self._worker, self._wake = get_ident(), wake

    def run(self) -> None:
        """Does what waits; the worker's part."""
        while self._waiting:
            self._waiting.popleft()()

    def close(self) -> None:
        """Does what waits; from now on everybody does their own."""
        self._worker = None
        self.run()

    def ask(self, action: Callable[[], T]) -> T:
        """Has the worker do something and waits for it; done at once where there is no worker, or by it.

        Raises:
            concurrent.futures.TimeoutError: the worker did not come to it within ten seconds.
            Exception: whatever the action raised.
        """
        if self._worker in (None, get_ident()):
            return action()
        future: Future[T] = Future()

        def command() -> None:
            try:
                future.set_result(action())
            except Exception as error:  # whoever asked is told, not the worker
                future.set_exception(error)

        self._waiting.append(command)
        self._wake()
        return future.result(_WAIT_SECONDS)
