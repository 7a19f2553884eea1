"""A device that is opened anew under several threads: by one of them, for all, while no other is at work."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from time import sleep

import numpy as np
import pytest

from ermu.errors import BackendError, DeviceLostError
from ermu.runtime.bundle.bundle import Bundle
from ermu.runtime.streams.work.recovery import Recovery
from ermu.runtime.streams.work.shared_backend import SharedBackend

SECONDS = 20


@pytest.fixture
def two(tiny_bundle: Path) -> Iterator[tuple[SharedBackend, SharedBackend]]:
    """On the CPU, whose reset does no more than close it."""
    recovery, bundle = Recovery(), Bundle.load(tiny_bundle)
    with (
        SharedBackend(bundle, 1, recovery=recovery, threads=1) as one,
        SharedBackend(bundle, 1, recovery=recovery, threads=1) as other,
    ):
        yield one, other


def test_everybody_goes_on_with_another_backend(two: tuple[SharedBackend, SharedBackend]) -> None:
    recovery, before = two[0].recovery, [shared.backend for shared in two]
    frame, label = np.zeros((48, 64, 3), np.uint8), np.zeros((48, 64), np.uint8)
    label[8:24, 8:24] = 1
    for shared in two:
        shared.segmenters[0].start(frame, label)
    with recovery.turn():
        assert recovery.recover(recovery.resets)
    assert recovery.resets == 1
    for shared, old in zip(two, before, strict=True):
        (segmenter,) = shared.segmenters
        assert shared.backend is not old and segmenter.backend is shared.backend and not segmenter.ids
        segmenter.start(frame, label)
        assert segmenter.ids == [1]


def test_who_comes_second_finds_it_done(two: tuple[SharedBackend, SharedBackend]) -> None:
    """Both are in a turn when the device is lost: one resets it when the other has stopped working."""
    recovery, both, reset = two[0].recovery, Event(), list[bool]()

    def lose(first: bool) -> None:
        with recovery.turn():
            if first:
                assert both.wait(SECONDS)
            else:
                both.set()
                sleep(0.1)  # the first waits for this turn
            reset.append(recovery.recover(0))

    with ThreadPoolExecutor(2) as pool:
        for done in [pool.submit(lose, True), pool.submit(lose, False)]:
            done.result(SECONDS)
    assert sorted(reset) == [False, True] and recovery.resets == 1


def test_it_is_not_reset_under_anybody_at_work(two: tuple[SharedBackend, SharedBackend]) -> None:
    recovery, working, go = two[0].recovery, Event(), Event()
    before = two[0].backend

    def work() -> bool:
        with recovery.turn():
            working.set()
            assert go.wait(SECONDS)
            return two[0].backend is before

    def lose() -> bool:
        with recovery.turn():
            return recovery.recover(0)

    with ThreadPoolExecutor(2) as pool:
        at_work = pool.submit(work)
        assert working.wait(SECONDS)
        lost = pool.submit(lose)
        sleep(0.1)
        assert not lost.done()
        go.set()
        assert at_work.result(SECONDS) and lost.result(SECONDS)


def test_after_a_reset_one_works_at_a_time_and_everybody_comes_to_it(
    two: tuple[SharedBackend, SharedBackend],
) -> None:
    recovery, inside, most = two[0].recovery, list[int](), list[int]()
    with recovery.turn():
        recovery.recover(0)

    def work(number: int) -> None:
        for _ in range(5):
            with recovery.turn():
                inside.append(number)
                most.append(len(set(inside)))
                sleep(0.005)
                inside.clear()

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(work, range(3)))
    assert len(most) == 15 and max(most) == 1


def test_a_device_that_stays_lost_is_lost_to_everybody(
    two: tuple[SharedBackend, SharedBackend], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse() -> None:
        raise BackendError("GPU 0 cannot be opened.")

    recovery = two[0].recovery
    monkeypatch.setattr(two[1], "open_again", refuse)
    with pytest.raises(DeviceLostError, match="GPU 0 cannot be opened"), recovery.turn():
        recovery.recover(0)
    with pytest.raises(DeviceLostError), recovery.turn():
        pytest.fail("nobody may work")


def test_whoever_gives_up_waiting_is_waited_for_by_nobody(two: tuple[SharedBackend, SharedBackend]) -> None:
    """A second signal ends the wait of the thread that gets it."""
    recovery, waits = two[0].recovery, Event()
    with recovery.turn():
        recovery.recover(0)

    class SignalError(BaseException):
        pass

    def interrupt(*_: object) -> None:
        raise SignalError

    before = signal.signal(signal.SIGALRM, interrupt)
    working, go = Event(), Event()

    def work() -> None:
        with recovery.turn():
            working.set()
            assert go.wait(SECONDS)

    try:
        with ThreadPoolExecutor(1) as pool:
            busy = pool.submit(work)
            assert working.wait(SECONDS)
            signal.setitimer(signal.ITIMER_REAL, 0.1)
            with pytest.raises(SignalError), recovery.turn():
                waits.set()
            go.set()
            busy.result(SECONDS)
            pool.submit(lambda: work()).result(SECONDS)
    finally:
        signal.signal(signal.SIGALRM, before)
    assert not waits.is_set()


def test_a_turn_of_another_recovers_by_itself(two: tuple[SharedBackend, SharedBackend]) -> None:
    """And inside a worker's turn leaves it to that."""
    recovery = two[0].recovery

    def fail() -> None:
        with recovery.turn_of_another(lambda: True):
            raise BackendError("an illegal memory access")

    with pytest.raises(BackendError, match="illegal"):
        fail()
    assert recovery.resets == 1
    with recovery.turn():
        with pytest.raises(BackendError, match="illegal"):
            fail()
        assert recovery.resets == 1
