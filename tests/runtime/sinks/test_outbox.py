"""The outbox: in order, again until it arrives, and never too much of it."""

from __future__ import annotations

from threading import Event
from time import monotonic

import pytest

from ermu.errors import SinkError
from ermu.runtime.sinks.outbox import Outbox, UndeliveredError
from ermu.runtime.sources.backoff import Backoff
from tests.runtime.conftest import until


class Receiver:
    """Takes items once it is open; refuses some for good."""

    def __init__(self, *, refused: tuple[int, ...] = ()) -> None:
        self.taken: list[int] = []
        self.tries = 0
        self.open = False
        self._refused = refused

    def take(self, item: int) -> None:
        self.tries += 1
        if not self.open:
            raise UndeliveredError("closed", again=True)
        if item in self._refused:
            raise UndeliveredError("refused", again=False)
        self.taken.append(item)


def outbox(receiver: Receiver, **options: int) -> Outbox[int]:
    return Outbox(receiver.take, "somewhere", backoff=Backoff(0.01, 0.02), **options)


def test_what_did_not_arrive_is_tried_again_in_order() -> None:
    receiver = Receiver(refused=(2,))
    box = outbox(receiver)
    for item in range(5):
        box.put(item)
    assert until(lambda: receiver.tries > 3)
    assert box.problem == "somewhere: closed" and not receiver.taken
    receiver.open = True
    assert until(lambda: box.delivered == 4)
    assert receiver.taken == [0, 1, 3, 4]
    assert (box.lost, box.problem) == (1, None)
    with pytest.raises(SinkError, match="1 of 5 messages did not reach somewhere"):
        box.close(1)
    box.close(1)


def test_the_newest_wait_where_there_are_too_many() -> None:
    receiver = Receiver()
    box = outbox(receiver, limit=3)
    for item in range(10):
        box.put(item)
    receiver.open = True
    with pytest.raises(SinkError):
        box.close(10)
    assert receiver.taken[-3:] == [7, 8, 9] and len(receiver.taken) <= 4
    assert box.lost == 10 - len(receiver.taken)


def test_closing_tries_once_more_and_does_not_wait_for_ever() -> None:
    receiver = Receiver()
    box = Outbox(receiver.take, "somewhere", backoff=Backoff(60.0, 60.0, jitter=0))
    box.put(1)
    assert until(lambda: box.problem is not None)
    receiver.open = True
    box.close(10)
    assert receiver.taken == [1]
    receiver.open, box = False, outbox(receiver)
    box.put(2)
    began = monotonic()
    with pytest.raises(SinkError, match="1 of 1 messages did not reach somewhere: closed"):
        box.close(0.2)
    assert monotonic() - began < 5


def test_a_receiver_that_hangs_holds_nobody() -> None:
    never = Event()
    box: Outbox[int] = Outbox(lambda item: never.wait(20) and None, "somewhere")
    began = monotonic()
    for item in range(3):
        box.put(item)
    with pytest.raises(SinkError, match="3 of 3 messages did not reach somewhere"):
        box.close(0.2)
    assert monotonic() - began < 5
    never.set()
