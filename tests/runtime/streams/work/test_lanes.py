"""Lanes: streams are segmented side by side, each as it would be alone; one's end is not the others'."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event, Thread

import numpy as np
import pytest

from ermu.errors import SourceError
from ermu.runtime.bundle.bundle import Bundle
from ermu.runtime.results import FrameResult
from ermu.runtime.segmenter import Segmenter
from ermu.runtime.sinks.base import Sink
from ermu.runtime.sources.base import Frame, Source
from ermu.runtime.streams.pipeline import Pipeline
from ermu.runtime.streams.work.lanes import Lanes, shares, usual_lanes
from ermu.scenes.config import SceneConfig
from ermu.scenes.scene import Scene
from ermu.types import LabelMap

FRAMES = 6


class Clip(Source):
    """A procedural scene's frames; one of them cannot be read where it is so asked."""

    def __init__(self, seed: int, *, frames: int = FRAMES, broken_at: int | None = None) -> None:
        self._scene = Scene(SceneConfig(seed=seed, size_hw=(48, 64), frames=FRAMES, objects=2))
        self.total_frames, self.description, self._broken_at = frames, f"clip {seed}", broken_at

    def first_label(self) -> LabelMap:
        return self._scene[0][1]

    def __iter__(self) -> Iterator[Frame]:
        for t in range(self.total_frames or 0):
            if t == self._broken_at:
                raise SourceError("The film is torn.")
            yield Frame(t, f"{t:05d}", self._scene[t % FRAMES][0], time=t / 10)


class Kept(Sink):
    """Label maps in order."""

    def __init__(self) -> None:
        self.labels: list[LabelMap] = []

    def write(self, frame: Frame, result: FrameResult) -> None:
        self.labels.append(result.label.copy())


def _pipelines(lanes: Lanes, sources: list[Clip]) -> tuple[list[Pipeline], list[Kept]]:
    kept = [Kept() for _ in sources]
    made = [
        Pipeline(lanes.segmenter(gap=2), source, [sink], name=str(i))
        for i, (source, sink) in enumerate(zip(sources, kept, strict=True))
    ]
    for pipeline, source in zip(made, sources, strict=True):
        pipeline.begin(source.first_label())
    return made, kept


@pytest.fixture
def two(tiny_bundle: Path) -> Iterator[Lanes]:
    with Lanes(Bundle.load(tiny_bundle), 2, threads=2) as lanes:
        yield lanes


@pytest.mark.parametrize(
    ("streams", "options", "lanes"),
    [
        (1, {"threads": 8}, 1),
        (3, {"threads": 8}, 3),
        (9, {"threads": 8}, 8),
        (9, {"threads": 1}, 1),
        (9, {"threads": 8, "device": "cuda"}, 1),
        (9, {"threads": 8, "device": "cuda:1"}, 1),
        (0, {"threads": 8}, 1),
    ],
)
def test_usual_lanes(streams: int, options: dict, lanes: int) -> None:
    assert usual_lanes(streams, **options) == lanes


@pytest.mark.parametrize(
    ("threads", "lanes", "dealt"),
    [(5, 2, [2, 3]), (3, 3, [1, 1, 1]), (1, 3, [1, 1, 1]), (16, 3, [5, 5, 6]), (8, 1, [8])],
)
def test_threads_are_shared_out(threads: int, lanes: int, dealt: list[int]) -> None:
    assert sorted(shares(threads, lanes)) == dealt


def test_every_stream_is_as_it_is_alone(two: Lanes, tiny_bundle: Path) -> None:
    sources = [Clip(seed) for seed in (1, 2, 3)]
    pipelines, kept = _pipelines(two, sources)
    two.workers(pipelines).run()
    for source, sink in zip(sources, kept, strict=True):
        with Segmenter(tiny_bundle, threads=1, gap=2) as alone:
            frames = [frame.image for frame in source]
            alone.start(frames[0], source.first_label())
            expected = [alone.step(image).label for image in frames[1:]]
        assert all(np.array_equal(a, b) for a, b in zip(sink.labels[1:], expected, strict=True))


def _holding(pipeline: Pipeline, until: Event) -> Callable[..., bool]:
    real = pipeline.turn

    def turn(*, commands_only: bool = False) -> bool:
        if not commands_only:
            assert until.wait(60), "nobody else works meanwhile"
        return real(commands_only=commands_only)

    return turn


def test_one_goes_on_while_another_is_at_work(two: Lanes) -> None:
    """The first stream's turn lasts until the second has ended, which no single worker would survive."""
    over = Event()
    pipelines, kept = _pipelines(two, [Clip(1), Clip(2)])
    finish = kept[1].close
    kept[1].close = lambda *given, **named: (finish(*given, **named), over.set())[0]  # type: ignore[method-assign]
    pipelines[0].turn = _holding(pipelines[0], over)  # type: ignore[method-assign]
    two.workers(pipelines).run()
    assert [len(sink.labels) for sink in kept] == [FRAMES, FRAMES]


def test_a_stream_that_fails_leaves_the_other_lane_alone(two: Lanes) -> None:
    pipelines, kept = _pipelines(two, [Clip(1), Clip(2, broken_at=3)])
    with pytest.raises(SourceError, match="torn"):
        two.workers(pipelines).run()
    assert len(kept[0].labels) == FRAMES and len(kept[1].labels) == 3


def test_a_worker_that_fails_ends_them_all(two: Lanes) -> None:
    pipelines, _ = _pipelines(two, [Clip(1, frames=10**9), Clip(2)])

    def broken(*, commands_only: bool = False) -> bool:
        raise ZeroDivisionError

    pipelines[1].turn = broken  # type: ignore[method-assign]
    with pytest.raises(ZeroDivisionError):
        two.workers(pipelines).run()


def test_a_stop_ends_every_lane(two: Lanes) -> None:
    pipelines, kept = _pipelines(two, [Clip(1, frames=10**9), Clip(2, frames=10**9)])
    workers, begun = two.workers(pipelines), Event()
    Thread(target=lambda: (begun.wait(60), workers.stop()), daemon=True).start()
    workers.run(on_turn=lambda: begun.set() if all(sink.labels for sink in kept) else None)
    assert all(sink.labels for sink in kept)
