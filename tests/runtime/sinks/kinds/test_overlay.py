"""The overlay video: frames at their own times, whole whatever ends it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ermu.errors import SinkError, StateError
from ermu.runtime.results import FrameResult
from ermu.runtime.segmenter import Segmenter
from ermu.runtime.sinks.base import SinkContext
from ermu.runtime.sinks.kinds.overlay import OverlaySink
from ermu.runtime.sources.base import Frame
from ermu.runtime.sources.opening import open_source
from ermu.runtime.sources.paced import PacedSource
from ermu.runtime.streams.pipeline import Pipeline
from ermu.runtime.streams.work.scheduler import Scheduler
from tests.support.disks import fill, small_disk

av: Any = pytest.importorskip("av")

Segmenters = Callable[..., Segmenter]
SCENE = "scene:4,objects=2,frames=1000,size=48x64,fps=30"
CONTEXTS = [SinkContext(25), SinkContext(25, live=True), SinkContext(25, live=True, segment_seconds=100)]
IDS = ["file", "endless", "segment"]


def frames(times: list[float], size: tuple[int, int] = (48, 64)) -> Iterator[tuple[Frame, FrameResult]]:
    """Noise, which no codec makes small, at given times."""
    generator = np.random.default_rng(0)
    for index, at in enumerate(times):
        image = generator.integers(0, 256, (*size, 3), np.uint8)
        yield Frame(index, str(index), image, time=at), FrameResult(index, np.zeros(size, np.uint8), [])


def shown_at(path: Path) -> list[float]:
    """When each frame is shown, in seconds; whatever is damaged raises."""
    with av.open(str(path)) as video:
        assert video.streams.video[0].codec_context.name == "h264"
        return [float(frame.pts * frame.time_base) for frame in video.decode(video=0)]


def only_file(folder: Path) -> Path:
    (path,) = folder.iterdir()
    return path


@pytest.mark.serial
def test_an_overlay_is_h264_and_whole_after_a_stop(tiny_segmenter: Segmenters, tmp_path: Path) -> None:
    sink = OverlaySink(tmp_path / "overlay.mp4", SinkContext(30, live=True))
    pipeline = Pipeline(tiny_segmenter(), PacedSource(open_source(SCENE)), [sink])
    pipeline.begin()
    scheduler = Scheduler([pipeline])
    scheduler.run(on_turn=lambda: scheduler.stop() if pipeline.frames >= 10 else None)
    assert len(shown_at(only_file(tmp_path))) == pipeline.feeders[0].written >= 9


@pytest.mark.parametrize("context", CONTEXTS, ids=IDS)
def test_every_frame_is_shown_at_its_own_time(context: SinkContext, tmp_path: Path) -> None:
    """Of a stream that began long ago, at a rate that varies, with an outage of ten minutes."""
    offsets = [0.0, 0.04, 0.12, 0.121, 2.0, 2.5, 602.5, 602.54]
    times = [98765.4321 + offset for offset in offsets[: 6 if context.segment_seconds else None]]
    with OverlaySink(tmp_path / "overlay.mp4", context) as sink:
        for frame, result in frames(times):
            sink.write(frame, result)
    assert shown_at(only_file(tmp_path)) == pytest.approx(offsets[: len(times)], abs=1.1e-5)


def test_frames_without_times_come_at_the_nominal_rate(tmp_path: Path) -> None:
    with OverlaySink(tmp_path / "overlay.mp4", SinkContext(20)) as sink:
        for frame, result in frames([0.0] * 4):
            sink.write(frame, result)
    assert shown_at(tmp_path / "overlay.mp4") == pytest.approx([0.0, 0.05, 0.1, 0.15], abs=1e-4)


@pytest.mark.parametrize("context", CONTEXTS, ids=IDS)
def test_what_is_on_the_disk_plays_before_the_end(context: SinkContext, tmp_path: Path) -> None:
    """As a killed process leaves it: all but the half second, and the frame, under way."""
    sink = OverlaySink(tmp_path / "overlay.mp4", context)
    for number, (frame, result) in enumerate(frames([i / 10 for i in range(40)]), 1):
        sink.write(frame, result)
        if number in (7, 20, 40):
            left = tmp_path.parent / f"{tmp_path.name}.mp4"
            left.write_bytes(only_file(tmp_path).read_bytes())
            assert len(shown_at(left)) >= number - 6, number
    sink.close()
    assert len(shown_at(only_file(tmp_path))) == 40
    with pytest.raises(StateError, match="has been finished"):
        sink.write(frame, result)


@pytest.mark.parametrize("context", CONTEXTS, ids=IDS)
def test_a_full_disk_keeps_what_was_written(context: SinkContext, tmp_path: Path) -> None:
    with small_disk(tmp_path / "small", 256) as small:
        sink, written = OverlaySink(small / "overlay.mp4", context), 0
        with pytest.raises(SinkError, match="everything written so far is intact"):
            for frame, result in frames([i / 10 for i in range(200)]):
                sink.write(frame, result)
                written += 1
        for _ in range(2):
            with pytest.raises(SinkError, match="No space left"):
                sink.write(frame, result)
        with pytest.raises(SinkError, match="No space left"):
            sink.close()
        sink.close()
        shown = shown_at(only_file(small))
        assert 20 < len(shown) >= written - 6
        assert shown == pytest.approx([i / 10 for i in range(len(shown))], abs=1e-4)


@pytest.mark.parametrize("context", CONTEXTS, ids=IDS)
def test_a_disk_that_is_full_at_the_end_keeps_what_was_written(context: SinkContext, tmp_path: Path) -> None:
    """The index goes behind the fragments: no room for it, or for the last of them, costs neither."""
    with small_disk(tmp_path / "small", 512) as small:
        sink = OverlaySink(small / "overlay.mp4", context)
        for frame, result in frames([i / 10 for i in range(40)]):
            sink.write(frame, result)
        fill(small)
        with pytest.raises(SinkError, match="No space left"):
            sink.close()
        (small / "ballast").unlink()
        assert len(shown_at(only_file(small))) >= 34


def test_a_finished_video_is_an_ordinary_mp4(tmp_path: Path) -> None:
    """With an index of all frames, which fragments do not have."""
    with OverlaySink(tmp_path / "overlay.mp4", SinkContext(25)) as sink:
        for frame, result in frames([i / 25 for i in range(30)]):
            sink.write(frame, result)
    with av.open(str(tmp_path / "overlay.mp4")) as video:
        assert video.streams.video[0].frames == 30
        assert float(video.streams.video[0].average_rate) == pytest.approx(25, rel=0.01)


def test_segments_are_cut_by_the_streams_time_and_old_ones_go(tmp_path: Path) -> None:
    context = SinkContext(10, "yard", live=True, segment_seconds=2, keep_days=1)
    (tmp_path / "o-yard-20200101T000000Z.mp4").write_bytes(b"not ours")
    (tmp_path / "o-door-20200101T000000Z.mp4").write_bytes(b"another stream's")

    def written() -> set[Path]:
        with OverlaySink.open(f"{tmp_path}/o.mp4", context) as sink:
            before = set(tmp_path.iterdir())
            for frame, result in frames([i / 10 for i in range(45)]):
                sink.write(frame, result)
        return set(tmp_path.iterdir()) - before

    first = written()
    assert sorted(len(shown_at(path)) for path in first) == [5, 20, 20]
    assert all(shown_at(path)[0] == 0 for path in first)
    old = time.time() - 86_400 - 60
    for number, path in enumerate(first):
        path.rename(tmp_path / f"o-yard-20200102T00000{number}Z.mp4")
    for path in tmp_path.iterdir():
        os.utime(path, (old, old))
    fresh = {path.name for path in written()}
    assert len(fresh) == 3
    others = {"o-yard-20200101T000000Z.mp4", "o-door-20200101T000000Z.mp4"}
    assert {path.name for path in tmp_path.iterdir()} == fresh | others


def test_a_restarted_stream_leaves_its_earlier_video_alone(tmp_path: Path) -> None:
    for number in range(3):
        with OverlaySink(tmp_path / "o.mp4", SinkContext(10, live=True)) as sink:
            for frame, result in frames([i / 10 for i in range(number + 1)]):
                sink.write(frame, result)
    assert {path.name: len(shown_at(path)) for path in tmp_path.iterdir()} == {
        "o.mp4": 1,
        "o-2.mp4": 2,
        "o-3.mp4": 3,
    }
