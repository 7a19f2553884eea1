"""Work that repeats becomes a graph: which, when, and what else happens to it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ermu.devices.graphs.captures import Captured, Captures
from ermu.devices.graphs.recorder import Recorder, Work
from ermu.errors import BackendError


class Stream:
    """What was done, in order; a graph does what was done while it was captured."""

    def __init__(self) -> None:
        self.done: list[object] = []
        self.captured: list[object] | None = None
        self.open_graphs, self.waits, self.refusing = 0, 0, False

    def work(self, key: object, *, ready: bool = True) -> Work:
        def run() -> None:
            (self.done if self.captured is None else self.captured).append(key)

        def prepare() -> object | None:
            run()
            return key if ready else None

        return Work(key, run, prepare)

    def capture(self, work: Callable[[], None]) -> Graph:
        if self.refusing:
            raise BackendError("It cannot be captured.")
        self.captured = []
        work()
        graph, self.captured = Graph(self, self.captured), None
        return graph

    def wait(self) -> None:
        self.waits += 1


class Graph:
    def __init__(self, stream: Stream, work: list[object]) -> None:
        self._stream, self._work = stream, work
        stream.open_graphs += 1

    def launch(self) -> None:
        self._stream.done.append(tuple(self._work))

    def close(self) -> None:
        self._stream.open_graphs -= 1


@pytest.fixture
def stream() -> Stream:
    return Stream()


@pytest.fixture
def recorder(stream: Stream) -> Recorder:
    return Recorder(stream.capture, stream.wait)


def frames(
    recorder: Recorder, stream: Stream, *keys: str, count: int = 1, ready: bool = True
) -> list[object]:
    """What is done for so many equal frames."""
    stream.done.clear()
    for _ in range(count):
        with recorder.recording():
            for key in keys:
                recorder.add(stream.work(key, ready=ready))
            assert stream.captured is None
    return stream.done


def test_outside_work_is_done_at_once(recorder: Recorder, stream: Stream) -> None:
    recorder.add(stream.work("a"))
    assert stream.done == ["a"]


def test_inside_it_is_held_back_until_it_is_asked_for(recorder: Recorder, stream: Stream) -> None:
    with recorder.recording():
        recorder.add(stream.work("a"))
        assert stream.done == []
        recorder.flush()
        assert stream.done == ["a"]
        with recorder.recording():
            recorder.add(stream.work("b"))
        assert stream.done == ["a"]
    assert stream.done == ["a", "b"]


def test_a_sequence_that_came_three_times_is_a_graph(recorder: Recorder, stream: Stream) -> None:
    assert frames(recorder, stream, "a", "b", count=5) == [*"ababab", ("a", "b"), ("a", "b")]
    assert recorder.launches == 6 + 2
    assert frames(recorder, stream, "b", "a") == [*"ba"]
    assert frames(recorder, stream, "a") == ["a"]
    assert frames(recorder, stream, "a", "b") == [("a", "b")]
    recorder.forget()
    assert (stream.open_graphs, stream.waits) == (0, 1)
    assert frames(recorder, stream, "a", "b") == [*"ab"]


def test_one_piece_of_work_is_no_graph(recorder: Recorder, stream: Stream) -> None:
    assert frames(recorder, stream, "a", count=9) == ["a"] * 9


def test_what_is_not_ready_is_tried_again_at_growing_distances(recorder: Recorder, stream: Stream) -> None:
    assert frames(recorder, stream, "a", "b", count=5, ready=False) == [*"ababababab"]
    assert frames(recorder, stream, "a", "b", count=2) == [*"ab", ("a", "b")]


def test_what_cannot_be_captured_is_done_all_the_same(recorder: Recorder, stream: Stream) -> None:
    stream.refusing = True
    assert frames(recorder, stream, "a", "b", count=9) == [*"ab"] * 9


def test_what_was_held_back_when_it_failed_is_dropped(recorder: Recorder, stream: Stream) -> None:
    with pytest.raises(KeyboardInterrupt), recorder.recording():
        recorder.add(stream.work("a"))
        raise KeyboardInterrupt
    assert frames(recorder, stream, "b") == ["b"]


def test_the_least_recently_used_graph_leaves_first():
    keys = [((address, (1,)),) for address in range(4)]
    graphs = [Captured(f"graph {n}", None) for n in range(4)]  # type: ignore[arg-type]
    captures = Captures(most=3)
    for key, graph in zip(keys[:3], graphs, strict=False):
        assert [captures.due(key) for _ in range(3)] == [False, False, True]
        assert captures.oldest_if_full() is None
        captures.add(key, graph)
    assert captures.find(keys[0]) is graphs[0]
    assert captures.oldest_if_full() is graphs[1]
    captures.add(keys[3], graphs[3])
    assert [captures.find(key) for key in keys] == [graphs[0], None, graphs[2], graphs[3]]
    assert captures.take_all() == [graphs[0], graphs[2], graphs[3]]


def test_tries_come_at_doubling_distances():
    captures = Captures()
    due = [n for n in range(1, 100) if captures.due(((0, (1,)),))]
    assert due == [3, 6, 12, 24, 48, 96]
