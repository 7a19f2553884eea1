"""Turns of those who work in a GPU's legacy stream and those who record another one."""

from __future__ import annotations

from threading import Event, Thread

from ermu.devices.driver.legacy_stream import LegacyStream, legacy_stream


def begun(work: object) -> Thread:
    thread = Thread(target=work, daemon=True)  # type: ignore[arg-type]
    thread.start()
    return thread


def test_many_work_in_it_at_once() -> None:
    stream, inside = LegacyStream(), Event()

    def other() -> None:
        with stream.used():
            inside.set()

    with stream.used():
        begun(other)
        assert inside.wait(5)


def test_a_recording_waits_for_them_and_they_for_it() -> None:
    stream, order = LegacyStream(), list[str]()
    recording, done = Event(), Event()

    def record() -> None:
        with stream.left_alone():
            order.append("recorded")
            recording.set()
            assert done.wait(5)
            order.append("over")

    def work() -> None:
        with stream.used():
            order.append("worked")

    with stream.used():
        recorder = begun(record)
        assert not recording.wait(0.05)
        order.append("first")
    assert recording.wait(5)
    worker = begun(work)
    worker.join(0.05)
    assert worker.is_alive()
    done.set()
    for thread in (recorder, worker):
        thread.join(5)
    assert order == ["first", "recorded", "over", "worked"]


def test_an_error_inside_lets_the_others_in() -> None:
    stream = LegacyStream()
    for block in (stream.used, stream.left_alone, stream.reset):
        try:
            with block():
                raise ValueError
        except ValueError:
            pass
    assert stream.resets == 1
    with stream.left_alone():
        pass
    with stream.used():
        pass


def test_a_gpu_has_one() -> None:
    assert legacy_stream(0) is legacy_stream(0) is not legacy_stream(1)
