"""Turns by time: with known costs, and with real streams of one group and of many."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from threading import Thread, get_ident
from time import perf_counter

import numpy as np
import pytest

from ermu.runtime.segmenter import Segmenter
from ermu.runtime.sources.base import Frame, Source
from ermu.runtime.streams.pipeline import Pipeline
from ermu.runtime.streams.work.scheduler import Scheduler, Turns
from tests.runtime.conftest import until

Segmenters = Callable[..., Segmenter]


def served(costs: dict[str, float], seconds: float, *, absent: tuple[str, float] | None = None) -> list[str]:
    """Who had turns until so much time has passed; one may come later than the others."""
    turns, clock, order = Turns(), 0.0, list[str]()
    while clock < seconds:
        there = [name for name in costs if absent is None or name != absent[0] or clock >= absent[1]]
        first = turns.order(there)[0]
        turns.take(first, costs[first])
        order.append(first)
        clock += costs[first]
    return order


def test_neighbours_of_a_slow_stream_have_their_share_of_the_time() -> None:
    """Two streams at 0.2 s beside one at 1 s: a third of the time each is 5 frames in 3 s, not 2."""
    order = served({"many": 1.0, "left": 0.2, "right": 0.2}, 300.0)
    counts = {name: order.count(name) for name in ("many", "left", "right")}
    assert counts == pytest.approx({"many": 100, "left": 500, "right": 500}, abs=6)
    gaps = np.diff([i for i, name in enumerate(order) if name == "left"])
    assert gaps.max() <= 4  # nobody waits for more than a turn of each of the others


def test_equal_streams_go_round() -> None:
    assert served({"a": 0.1, "b": 0.1, "c": 0.1}, 0.85) == list("abcabcabc")


def test_who_was_away_saves_nothing_up() -> None:
    order = served({"a": 0.125, "b": 0.125}, 25.0, absent=("b", 12.5))
    assert order.index("b") == 100
    assert order[100:].count("b") == pytest.approx(50, abs=2)
    assert "bb" not in "".join(order[100:120])


class Ready(Source):
    """One picture, as often as one likes."""

    def __init__(self, frames: int) -> None:
        self.total_frames, self.description = frames, "ready"

    def __iter__(self) -> Iterator[Frame]:
        picture = np.full((48, 64, 3), 90, np.uint8)
        yield from (Frame(i, str(i), picture, time=i / 10) for i in range(self.total_frames or 0))


def grid(objects: int) -> np.ndarray:
    label = np.zeros((48, 64), np.uint8)
    for i in range(objects):
        y, x = divmod(i, 16)
        label[y * 3 : y * 3 + 3, x * 4 : x * 4 + 4] = i + 1
    return label


def test_a_stream_of_many_groups_has_no_more_time_than_one_of_one(tiny_segmenter: Segmenters) -> None:
    """While both have frames, what each has used differs by a frame at most, however long that takes."""
    many, one = (Pipeline(tiny_segmenter(), Ready(400), name=name) for name in ("many", "one"))
    spent = {"many": 0.0, "one": 0.0}
    longest = apart = 0.0
    turns: list[tuple[str, float]] = []
    real = {pipeline.name: pipeline.turn for pipeline in (many, one)}

    def timed(name: str) -> Callable[..., bool]:
        def turn(*, commands_only: bool = False) -> bool:
            began = perf_counter()
            segmented = real[name](commands_only=commands_only)
            if segmented:
                turns.append((name, perf_counter() - began))
            return segmented

        return turn

    for pipeline, label in ((many, grid(200)), (one, grid(1))):
        pipeline.begin(label, max_frames=12 if pipeline is many else None)
        pipeline.turn = timed(pipeline.name)  # type: ignore[method-assign]
    Scheduler([many, one]).run()
    last = max(i for i, (name, _) in enumerate(turns) if name == "many")
    for name, seconds in turns[: last + 1]:
        spent[name] += seconds
        longest, apart = max(longest, seconds), max(apart, abs(spent["many"] - spent["one"]))
    assert apart <= 2 * longest
    assert sum(name == "one" for name, _ in turns[:last]) > 3 * 12


def test_streams_come_and_go_while_others_go_on(tiny_segmenter: Segmenters) -> None:
    """Whatever is asked for is done by the thread that gives turns, and who has left gets no more of them."""
    first, second = (Pipeline(tiny_segmenter(), Ready(10**6), name=name) for name in ("first", "second"))
    scheduler = Scheduler([first], endless=True)
    first.begin()
    turns = Thread(target=scheduler.run, daemon=True)
    turns.start()
    try:
        assert until(lambda: first.frames > 2, 60)
        assert scheduler.ask(get_ident) == turns.ident
        second.begin()
        scheduler.add(second)
        assert until(lambda: second.frames > 2, 60)
        scheduler.remove(first)
        left, others = first.frames, second.frames
        assert until(lambda: second.frames > others + 2, 60)
        assert first.frames == left and scheduler.pipelines == [second]
        first.finish()
        with pytest.raises(ZeroDivisionError):
            scheduler.ask(lambda: 1 // 0)
    finally:
        scheduler.stop()
        turns.join(60)
    assert not turns.is_alive() and second.done
