"""What has happened to objects, from label maps drawn by hand."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ermu.runtime.results import FrameResult
from ermu.runtime.sinks.base import SinkContext
from ermu.runtime.sinks.events import EventKind, EventWatch
from ermu.runtime.sinks.kinds.events import EventSink
from ermu.runtime.sources.base import Frame
from ermu.runtime.streams.object_registry import ObjectRegistry
from ermu.types import LabelMap
from tests.runtime.conftest import boxes, sightings

Told = list[tuple[str, int, int, tuple[int, int, int, int]]]


class Story:
    """A stream of label maps, one a second, with a registry that says `lost` after one and a half."""

    def __init__(self) -> None:
        self.registry = ObjectRegistry(1.5)
        self._frame = -1

    def next(self, label: LabelMap) -> tuple[Frame, FrameResult]:
        self._frame += 1
        seen = sightings(label, self.registry.ids)
        self.registry.observe(seen, frame=self._frame, time=float(self._frame))
        image = np.zeros((*label.shape, 3), np.uint8)
        frame = Frame(self._frame, str(self._frame), image, time=float(self._frame))
        return frame, FrameResult(self._frame, label, [], objects=self.registry.sightings)


def story_of_a_cat() -> Story:
    story = Story()
    story.registry.add([3], frame=0, time=0.0, name="cat")
    return story


def told(watch: EventWatch, results: Sequence[tuple[Frame, FrameResult]]) -> list[Told]:
    return [
        [(e.kind.value, e.id, e.area, e.box) for e in watch.observe(frame, result)]
        for frame, result in results
    ]


HERE, THERE, EMPTY = boxes(20, 30, id3=(5, 4, 15, 9)), boxes(20, 30, id3=(1, 2, 4, 8)), boxes(20, 30)


def test_an_object_appears_is_lost_returns_and_is_removed() -> None:
    story, watch = story_of_a_cat(), EventWatch("yard")
    results = [story.next(label) for label in (HERE, HERE, EMPTY, EMPTY, EMPTY, THERE, THERE)]
    story.registry.remove(3)
    results.append(story.next(EMPTY))
    assert told(watch, results) == [
        [("appeared", 3, 50, (5, 4, 15, 9))],
        [],
        [],
        [("lost", 3, 50, (5, 4, 15, 9))],  # two seconds after frame 1, with where it was there
        [],
        [("returned", 3, 18, (1, 2, 4, 8))],
        [],
        [("removed", 3, 18, (1, 2, 4, 8))],
    ]


def test_a_moment_without_a_pixel_is_no_event() -> None:
    story, watch = Story(), EventWatch("yard")
    story.registry.add([3], frame=0, time=0.0)
    results = [story.next(label) for label in (HERE, EMPTY, THERE)]
    assert told(watch, results) == [[("appeared", 3, 50, (5, 4, 15, 9))], [], []]


def test_results_that_a_slow_sink_missed() -> None:
    """Lost and found again meanwhile is told as returned; another object with the same id as another."""
    story, watch = Story(), EventWatch("yard")
    story.registry.add([3], frame=0, time=0.0)
    results = [story.next(label) for label in (HERE, EMPTY, EMPTY, EMPTY, THERE)]
    story.registry.remove(3)
    story.registry._free.move_to_end(3, last=False)
    story.registry.add([3], frame=5, time=5.0)
    results.append(story.next(HERE))
    assert told(watch, [results[0], results[4], results[5]]) == [
        [("appeared", 3, 50, (5, 4, 15, 9))],
        [("returned", 3, 18, (1, 2, 4, 8))],
        [("removed", 3, 18, (1, 2, 4, 8)), ("appeared", 3, 50, (5, 4, 15, 9))],
    ]


def test_an_object_that_is_never_seen_is_not_told_of() -> None:
    story, watch = Story(), EventWatch("yard")
    story.registry.add([3], frame=0, time=0.0)
    assert told(watch, [story.next(EMPTY) for _ in range(4)]) == [[]] * 4
    (event,) = watch.observe(*story.next(HERE))
    assert (event.kind, event.frame) == (EventKind.APPEARED, 4)


def test_the_sink_writes_a_line_an_event(tmp_path: Path) -> None:
    story = story_of_a_cat()
    with EventSink(tmp_path / "e.jsonl", SinkContext(25, name="yard")) as sink:
        for label in (HERE, HERE, EMPTY, EMPTY):
            sink.write(*story.next(label))
    about = {"stream": "yard", "id": 3, "name": "cat", "area": 50, "box": [5, 4, 15, 9]}
    assert [json.loads(line) for line in (tmp_path / "e.jsonl").read_text().splitlines()] == [
        {"event": "appeared", "frame": 0, "time": 0.0, **about},
        {"event": "lost", "frame": 3, "time": 3.0, **about},
    ]
