"""A pipeline's states: what may be asked when, once, twice, too early; and what it says in the log."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest

from ermu.errors import OptionError, SourceError, StateError
from ermu.runtime.images.prompter import Box
from ermu.runtime.results import FrameResult
from ermu.runtime.segmenter import Segmenter
from ermu.runtime.sinks.base import Sink
from ermu.runtime.sinks.feeder import SinkState
from ermu.runtime.sources.base import Frame, Source, live_frame
from ermu.runtime.sources.opening import open_source
from ermu.runtime.sources.reader import StreamState
from ermu.runtime.streams.live_options import LiveOptions
from ermu.runtime.streams.pipeline import Pipeline
from ermu.runtime.streams.segmented_frame import SegmentedFrame
from ermu.runtime.streams.work.scheduler import Scheduler
from tests.runtime.conftest import until

Segmenters = Callable[..., Segmenter]
SCENE = "scene:4,objects=2,frames=6,size=48x64"


class Counting(Sink):
    name = "counting"

    def __init__(self) -> None:
        self.frames = self.closed = 0

    def write(self, frame: Frame, result: FrameResult) -> None:
        self.frames += 1

    def close(self) -> None:
        self.closed += 1


class Torn(Counting):
    name = "torn"

    def write(self, frame: Frame, result: FrameResult) -> None:
        raise OSError("the cable of rtsp://admin:hunter2@cam is out")


class Camera(Source):
    """A live source whose picture changes its size, and which then goes away.

    The next frame comes 0.1 s after the one before it, or once `seen` has that one.
    """

    live = reconnects = True
    description = "rtsp://admin:hunter2@cam/1"

    def __init__(self, frames: int) -> None:
        self._left, self._frames = frames, 0
        self.seen: Callable[[], SegmentedFrame | None] | None = None

    def __iter__(self) -> Iterator[Frame]:
        while self._left > 0:
            self._left -= 1
            size = (48, 64) if self._frames < 3 else (60, 80)
            yield live_frame(self._frames, np.full((*size, 3), 90, np.uint8))
            until(lambda: self._was_seen, 10.0 if self.seen else 0.1)
            self._frames += 1
        raise SourceError("the cable is out at rtsp://admin:hunter2@cam/1")

    @property
    def _was_seen(self) -> bool:
        latest = self.seen() if self.seen else None
        return latest is not None and latest.frame.index == self._frames


def test_before_it_begins(tiny_segmenter: Segmenters) -> None:
    pipeline = Pipeline(tiny_segmenter(), open_source(SCENE))
    assert pipeline.state is StreamState.CONNECTING and pipeline.latest is None
    for ask in (
        pipeline.summary,
        lambda: pipeline.reader,
        pipeline.turn,
        lambda: pipeline.start(lambda: None),
    ):
        with pytest.raises(StateError, match="has not begun") as refused:
            ask()
        assert refused.value.fix == "call begin() or run() first"
    pipeline.begin()
    for ask in (pipeline.summary, pipeline.turn):
        with pytest.raises(StateError, match="has not started"):
            ask()
    with pytest.raises(StateError, match="has begun before"):
        pipeline.begin()


def test_it_runs_once_and_is_finished_any_number_of_times(tiny_segmenter: Segmenters) -> None:
    sink = Counting()
    pipeline = Pipeline(tiny_segmenter(), open_source(SCENE), [sink])
    summary = pipeline.run()
    pipeline.finish()
    pipeline.finish()
    assert (summary.frames, sink.frames, sink.closed, summary.lost) == (6, 6, 1, False)
    assert pipeline.summary().seconds == pipeline.summary().seconds
    assert pipeline.turn() is False
    with pytest.raises(StateError, match="has begun before"):
        pipeline.run()
    with pytest.raises(StateError, match="started before"):
        Scheduler([pipeline]).run()


def test_finishing_what_never_began_closes_its_sinks(tiny_segmenter: Segmenters) -> None:
    sink = Counting()
    pipeline = Pipeline(tiny_segmenter(), open_source(SCENE), [sink])
    pipeline.finish()
    pipeline.finish()
    assert (sink.closed, pipeline.state) == (1, StreamState.ENDED)
    with pytest.raises(StateError, match="has begun before"):
        pipeline.begin()


def test_a_stream_that_cannot_start_leaves_no_sink_open(tiny_segmenter: Segmenters) -> None:
    sinks = Counting(), Counting()
    ready, never = (Pipeline(tiny_segmenter(), open_source(SCENE), [sink]) for sink in sinks)
    ready.begin()
    with pytest.raises(StateError, match="has not begun"):
        Scheduler([ready, never]).run()
    assert [sink.closed for sink in sinks] == [1, 1]


def test_steering_goes_on_after_the_end(tiny_segmenter: Segmenters) -> None:
    pipeline = Pipeline(tiny_segmenter(), open_source(SCENE))
    pipeline.run()
    assert pipeline.add_objects(Box(5, 5, 40, 40), name="late") == [1]
    pipeline.rename_object(1, "later")
    assert [sighting.name for sighting in pipeline.objects.sightings] == ["later"]


def test_a_stop_is_no_loss_and_a_loss_is(tiny_segmenter: Segmenters) -> None:
    stopped = Pipeline(tiny_segmenter(), Camera(1000))
    stopped.begin(max_frames=2)
    Scheduler([stopped]).run()
    assert not stopped.summary().lost
    gone = Pipeline(tiny_segmenter(), Camera(2), live=LiveOptions(give_up_seconds=0.5))
    assert gone.run().lost


def test_what_the_log_tells(tiny_segmenter: Segmenters, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "ermu")
    live = LiveOptions(give_up_seconds=0.5)
    torn, camera = Torn(), Camera(6)
    pipeline = Pipeline(tiny_segmenter(), camera, [torn], name="door", live=live)
    camera.seen = lambda: pipeline.latest
    prompt = np.zeros((48, 64), np.uint8)
    prompt[10:30, 10:30] = 7
    pipeline.run(prompt)
    told = [(record.name, record.levelname, record.getMessage()) for record in caplog.records]
    text = "\n".join(message for _, _, message in told)
    assert ("ermu.sinks", "WARNING") in {entry[:2] for entry in told}
    assert "The sink torn has stopped" in text and "the cable of rtsp://***@cam is out" in text
    assert "rtsp://***@cam/1: no frames (the cable is out" in text
    assert "Every memory begins anew at frame 3, 80x60." in text
    assert "The stream door has ended after 6 frames." in text
    assert "hunter2" not in text
    assert pipeline.feeders[0].state is SinkState.STOPPED and torn.closed == 1


@pytest.mark.parametrize(
    ("source", "policy", "told"), [("live", "none", 1), ("live", "ermu", 0), ("file", "none", 0)]
)
def test_a_live_stream_whose_memory_grows_for_ever_is_told(
    tiny_segmenter: Segmenters, caplog: pytest.LogCaptureFixture, source: str, policy: str, told: int
) -> None:
    opened = Camera(1) if source == "live" else open_source(SCENE)
    Pipeline(tiny_segmenter(policy=policy), opened, name="door").begin()
    assert sum("memory grows" in message for message in caplog.messages) == told


def test_a_failed_stream_is_told(tiny_segmenter: Segmenters, caplog: pytest.LogCaptureFixture) -> None:
    pipeline = Pipeline(tiny_segmenter(), Camera(0), name="door", live=LiveOptions(give_up_seconds=0.3))
    with pytest.raises(SourceError, match="ended before its first frame"):
        pipeline.run()
    told = [record for record in caplog.records if record.name == "ermu.streams"]
    assert [record.levelname for record in told] == ["WARNING"]
    assert "The stream door has failed" in told[0].getMessage() and "hunter2" not in told[0].getMessage()


@pytest.mark.parametrize(
    "options", [{"on_add": "x"}, {"lost_seconds": -1}, {"stale_seconds": 0}, {"give_up_seconds": 0}]
)
def test_options_out_of_range(options: dict[str, object]) -> None:
    with pytest.raises(OptionError):
        LiveOptions(**options)  # type: ignore[arg-type]


def test_no_run_of_no_frames(tiny_segmenter: Segmenters) -> None:
    with pytest.raises(OptionError, match="max_frames is 0"):
        Pipeline(tiny_segmenter(), open_source(SCENE)).run(max_frames=0)
