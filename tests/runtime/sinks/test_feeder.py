"""Sinks: slow, blocked and full ones harm nobody else; what they write can be read elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from threading import Event
from time import monotonic

import numpy as np
import pytest

from ermu.errors import SinkError, StateError
from ermu.runtime.results import FrameResult
from ermu.runtime.segmenter import Segmenter
from ermu.runtime.sinks.base import Sink
from ermu.runtime.sinks.feeder import SinkFeeder, SinkState
from ermu.runtime.sinks.kinds.labels import LabelSink
from ermu.runtime.sinks.kinds.trace import TraceSink
from ermu.runtime.sources.base import Frame
from ermu.runtime.sources.paced import PacedSource
from ermu.runtime.streams.pipeline import Pipeline
from ermu.scenes.source import SceneSource

pytestmark = pytest.mark.serial

Segmenters = Callable[..., Segmenter]
PICTURE = np.zeros((8, 8, 3), np.uint8)


class Collecting(Sink):
    name = "collecting"

    def __init__(self) -> None:
        self.indices: list[int] = []
        self.closed = False

    def write(self, frame: Frame, result: FrameResult) -> None:
        self.indices.append(frame.index)

    def close(self) -> None:
        self.closed = True


class Blocked(Sink):
    """Takes ten seconds for its first frame."""

    name = "blocked"

    def __init__(self) -> None:
        self._release = Event()

    def write(self, frame: Frame, result: FrameResult) -> None:
        self._release.wait(10)


def clip(frames: int, **options: int) -> SceneSource:
    fields = "".join(f",{name}={value}" for name, value in options.items())
    return SceneSource.open(f"scene:4,objects=2,frames={frames},size=48x64{fields}")


def test_a_sink_that_blocks_ten_seconds_delays_nobody(tiny_segmenter: Segmenters) -> None:
    good, blocked = Collecting(), Blocked()
    source = PacedSource(clip(25, fps=25))
    pipeline = Pipeline(tiny_segmenter(), source, [blocked, good])
    began = monotonic()
    summary = pipeline.run()
    assert monotonic() - began < 8
    assert good.closed
    assert len(good.indices) == summary.frames
    assert pipeline.feeders[0].dropped >= summary.frames - 6
    assert pipeline.feeders[0].state is SinkState.STOPPED


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_full_disk_stops_that_sink_alone_when_live(tiny_segmenter: Segmenters) -> None:
    good = Collecting()
    pipeline = Pipeline(tiny_segmenter(), PacedSource(clip(12, fps=25)), [TraceSink(Path("/dev/full")), good])
    summary = pipeline.run()
    assert len(good.indices) == summary.frames > 3
    full = pipeline.feeders[0]
    assert full.state is SinkState.STOPPED
    assert full.error is not None and "No space left on device" in full.error.problem


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_full_disk_fails_the_run_of_a_file(tiny_segmenter: Segmenters, tmp_path: Path) -> None:
    sinks = [TraceSink(Path("/dev/full")), LabelSink(tmp_path / "labels")]
    with pytest.raises(SinkError, match="No space left on device"):
        Pipeline(tiny_segmenter(), clip(40), sinks).run()
    written = sorted(path.name for path in (tmp_path / "labels").iterdir())
    assert written == [f"{i:05d}.png" for i in range(len(written))]


def test_files_lose_no_frame_to_a_slow_sink(tiny_segmenter: Segmenters) -> None:
    class Slow(Collecting):
        def write(self, frame: Frame, result: FrameResult) -> None:
            Event().wait(0.02)
            super().write(frame, result)

    slow = Slow()
    Pipeline(tiny_segmenter(), clip(15), [slow]).run()
    assert slow.indices == list(range(15))


def test_a_feeder_is_finished_once_and_takes_nothing_after() -> None:
    sink, frame, result = Collecting(), Frame(3, "3", PICTURE), FrameResult(3, PICTURE[..., 0], [])
    feeder = SinkFeeder(sink, lossy=False)
    feeder.put(frame, result)
    with pytest.raises(StateError, match="call finish first"):
        feeder.join()
    for _ in range(2):
        feeder.finish()
        feeder.join()
    assert (sink.indices, sink.closed, feeder.state) == ([3], True, SinkState.CLOSED)
    with pytest.raises(StateError, match="put before finish"):
        feeder.put(frame, result)


def test_a_slow_sinks_drops_and_its_end_are_told(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "ermu.sinks")
    feeder = SinkFeeder(Blocked(), lossy=True)
    for index in range(20):
        feeder.put(Frame(index, "", PICTURE), FrameResult(index, PICTURE[..., 0], []))
    deadline = monotonic() + 0.2
    feeder.finish(deadline)
    feeder.join(deadline)
    told = [record.getMessage() for record in caplog.records]
    assert len(told) == 2
    assert told[0].startswith("The sink blocked is slow:")
    assert told[1] == "The sink blocked did not finish in time."
