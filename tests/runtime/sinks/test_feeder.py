"""Sinks: slow, blocked and full ones harm nobody else; what they write can be read elsewhere."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from threading import Event
from time import monotonic

import numpy as np
import pytest

from ermu.errors import SinkError
from ermu.runtime.results import FrameResult
from ermu.runtime.segmenter import Segmenter
from ermu.runtime.sinks.base import Sink
from ermu.runtime.sinks.feeder import SinkState
from ermu.runtime.sinks.kinds.labels import LabelSink
from ermu.runtime.sinks.kinds.objects import ObjectSink, coco_rle, mask_record
from ermu.runtime.sinks.kinds.overlay import OverlaySink
from ermu.runtime.sinks.kinds.trace import TraceSink
from ermu.runtime.sinks.kinds.window import WindowSink
from ermu.runtime.sources.base import Frame
from ermu.runtime.sources.paced import PacedSource
from ermu.runtime.streams.pipeline import Pipeline
from ermu.runtime.streams.scheduler import Scheduler
from ermu.scenes.source import SceneSource

pytestmark = pytest.mark.serial

Segmenters = Callable[..., Segmenter]


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
    return SceneSource.parse(f"scene:4,objects=2,frames={frames},size=48x64{fields}")


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


def test_an_overlay_is_h264_and_whole_after_a_stop(tiny_segmenter: Segmenters, tmp_path: Path) -> None:
    av = pytest.importorskip("av")
    path = tmp_path / "overlay.mp4"
    pipeline = Pipeline(tiny_segmenter(), PacedSource(clip(1000, fps=30)), [OverlaySink(path, 30)])
    pipeline.begin()
    scheduler = Scheduler([pipeline])
    scheduler.run(on_turn=lambda: scheduler.stop() if pipeline.frames >= 10 else None)
    with av.open(str(path)) as video:
        assert video.streams.video[0].codec_context.name == "h264"
        assert sum(1 for _ in video.decode(video=0)) == pipeline.feeders[0].written >= 9
    assert list(tmp_path.iterdir()) == [path]


def test_object_records_name_every_object(tiny_segmenter: Segmenters, tmp_path: Path) -> None:
    label = np.zeros((48, 64), np.uint8)
    label[10:20, 5:25], label[30:40, 40:50] = 2, 9
    path = tmp_path / "objects.jsonl"
    Pipeline(tiny_segmenter(), clip(3), [ObjectSink(path)]).run(label)
    records = [json.loads(line) for line in path.read_text().splitlines()]
    assert [record["frame"] for record in records] == [0, 1, 2]
    first = {o["id"]: o for o in records[0]["objects"]}
    assert first[2]["box"] == [5, 10, 20, 10] and first[2]["area"] == 200
    assert first[9]["box"] == [40, 30, 10, 10] and first[9]["state"] == "visible"
    assert all({o["id"] for o in record["objects"]} == {2, 9} for record in records)


def test_run_lengths_by_hand() -> None:
    mask = np.array([[0, 1, 1], [0, 1, 0]], bool)  # columns first: 0 0 1 1 1 0
    assert coco_rle(mask) == {"size": [2, 3], "counts": "231"}
    assert coco_rle(np.ones((2, 2), bool))["counts"] == "04"
    assert mask_record(np.zeros((2, 2), bool)) == {
        "area": 0,
        "box": None,
        "segmentation": {"size": [2, 2], "counts": "4"},
    }


def test_run_lengths_are_cocos() -> None:
    coco = pytest.importorskip("pycocotools.mask", reason="compares with COCO's own code")
    generator = np.random.default_rng(1)
    masks = [generator.uniform(size=(37, 53)) < share for share in (0.01, 0.3, 0.5, 0.99)]
    blob = np.zeros((480, 640), bool)
    blob[100:300, 50:600] = True
    for mask in [*masks, blob]:
        rle = coco_rle(mask)
        assert rle["counts"] == coco.encode(np.asfortranarray(mask.astype(np.uint8)))["counts"].decode()
        assert np.array_equal(coco.decode(rle), mask)


def test_a_window_needs_a_display(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    with pytest.raises(SinkError, match="no display"):
        WindowSink("test")
