"""Commands: done by the worker, or not at all."""

from __future__ import annotations

import threading

import pytest

from ermu.runtime.streams.work import command_queue
from ermu.runtime.streams.work.command_queue import CommandQueue


def in_thread(action: object) -> threading.Thread:
    thread = threading.Thread(target=action)  # type: ignore[arg-type]
    thread.start()
    return thread


def test_the_worker_does_it_and_whoever_asked_gets_the_answer() -> None:
    queue, woken, answers = CommandQueue(), threading.Event(), []
    queue.serve(woken.set)
    asking = in_thread(lambda: answers.append(queue.ask(threading.get_ident)))
    assert woken.wait(5)
    queue.run()
    asking.join(5)
    assert answers == [threading.get_ident()]


def test_an_error_goes_to_whoever_asked() -> None:
    queue, woken, errors = CommandQueue(), threading.Event(), []
    queue.serve(woken.set)

    def ask() -> None:
        try:
            queue.ask(lambda: 1 // 0)
        except ZeroDivisionError as error:
            errors.append(error)

    asking = in_thread(ask)
    assert woken.wait(5)
    queue.run()
    asking.join(5)
    assert len(errors) == 1


def test_what_nobody_came_to_in_time_is_never_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command_queue, "_WAIT_SECONDS", 0.05)
    queue, done, refused = CommandQueue(), [], []
    queue.serve(lambda: None)

    def ask() -> None:
        try:
            queue.ask(lambda: done.append(1))
        except TimeoutError as error:
            refused.append(error)

    in_thread(ask).join(5)
    queue.run()
    assert len(refused) == 1 and done == []


def test_after_the_end_everybody_does_their_own() -> None:
    queue, woken, done = CommandQueue(), threading.Event(), []
    queue.serve(woken.set)
    asking = in_thread(lambda: queue.ask(lambda: done.append("before")))
    assert woken.wait(5)
    queue.close()
    asking.join(5)
    in_thread(lambda: queue.ask(lambda: done.append("after"))).join(5)
    queue.close()
    assert done == ["before", "after"]
