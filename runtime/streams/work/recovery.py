"""Opens a lost device anew for all who work on it, while nobody else is at work."""

from __future__ import annotations

import gc
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from threading import Condition, get_ident
from typing import Protocol

from ermu.errors import DeviceLostError, ErmuError
from ermu.runtime.backends.base import Backend

logger = logging.getLogger("ermu.streams")


class Recoverable(Protocol):
    """What works on the device: `SharedBackend`, `NetworkPrompter`."""

    @property
    def backend(self) -> Backend: ...

    def leave_device(self) -> None: ...

    def open_again(self) -> None: ...


class Recovery:
    """Turns of several threads on one device, which a fault in any of them takes from all.

    They work side by side until it is lost for the first time, and one after the other from then on: whoever
    loses it again was at work alone. Who has waited longest goes first.

    Attributes:
        resets: How often the device has been reset; whoever sees it grow has lost every memory.
    """

    def __init__(self) -> None:
        self.resets = 0
        self._users: list[Recoverable] = []
        self._state, self._working = Condition(), 0
        self._waiting = list[object]()  # a ticket each, who has waited longest first
        self._in_turn = set[int]()  # threads
        self._failure: ErmuError | None = None

    def join(self, user: Recoverable) -> None:
        """One more works on the device from now on."""
        with self._state:
            self._users.append(user)

    @contextmanager
    def turn(self) -> Iterator[None]:
        """A thread's turn, in which it may use the device.

        Raises:
            DeviceLostError: the device did not come back from a reset.
        """
        self._begin()
        self._in_turn.add(get_ident())
        try:
            yield
        finally:
            self._in_turn.discard(get_ident())
            self._end()

    @contextmanager
    def turn_of_another(self, lost: Callable[[], bool]) -> Iterator[None]:
        """A turn of whoever works for no stream: a device lost in it is opened anew before the error goes on.

        Inside a turn it is part of that, and the error is that turn's.

        Args:
            lost: Whether the device is.

        Raises:
            DeviceLostError: as `turn`, or it does not come back now.
        """
        if get_ident() in self._in_turn:
            yield
            return
        with self.turn():
            seen = self.resets
            try:
                yield
            except ErmuError:
                if lost():
                    self.recover(seen)
                raise

    def recover(self, seen: int) -> bool:
        """Resets the lost device and has everybody open it again, unless somebody has meanwhile.

        It is called in a turn, and waits for the turns of others to end.

        Args:
            seen: `resets` when the turn began.

        Returns:
            Whether it was this call that did so.

        Raises:
            DeviceLostError: the device does not come back in this process.
        """
        self._end()
        try:
            with self._state:
                self._state.wait_for(lambda: self.resets != seen or self._failure or not self._working)
                self._check()
                if self.resets != seen:
                    return False
                self._reset(self._users)
                self.resets += 1
                return True
        finally:
            with self._state:
                self._working += 1
                self._state.notify_all()

    def _reset(self, users: Sequence[Recoverable]) -> None:
        devices = [user.backend.device for user in users]
        try:
            for user in users:
                user.leave_device()
            gc.collect()  # what libraries hold on the device goes before the device's context does
            for device in devices:
                device.close()
            devices[0].reset()
            for user in users:
                user.open_again()
        except ErmuError as error:
            self._failure = DeviceLostError(error)
            raise self._failure from error
        logger.warning("The device was reset and the backend %s opened anew.", users[0].backend.name)

    def _begin(self) -> None:
        ticket = object()
        with self._state:
            self._waiting.append(ticket)
            try:
                self._state.wait_for(
                    lambda: self._waiting[0] is ticket and not (self.resets and self._working)
                )
                self._working += 1
            finally:  # a signal may end the wait
                self._waiting.remove(ticket)
                self._state.notify_all()
        try:
            self._check()
        except ErmuError:
            self._end()
            raise

    def _end(self) -> None:
        with self._state:
            self._working -= 1
            self._state.notify_all()

    def _check(self) -> None:
        if self._failure:
            raise self._failure
