"""The overlay video."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from ermu.runtime.segmenter import Segmenter
from ermu.runtime.sinks.kinds.overlay import OverlaySink
from ermu.runtime.sources.opening import open_source
from ermu.runtime.sources.paced import PacedSource
from ermu.runtime.streams.pipeline import Pipeline
from ermu.runtime.streams.scheduler import Scheduler

pytestmark = pytest.mark.serial

Segmenters = Callable[..., Segmenter]
SCENE = "scene:4,objects=2,frames=1000,size=48x64,fps=30"


def test_an_overlay_is_h264_and_whole_after_a_stop(tiny_segmenter: Segmenters, tmp_path: Path) -> None:
    av = pytest.importorskip("av")
    path = tmp_path / "overlay.mp4"
    pipeline = Pipeline(tiny_segmenter(), PacedSource(open_source(SCENE)), [OverlaySink(path, 30)])
    pipeline.begin()
    scheduler = Scheduler([pipeline])
    scheduler.run(on_turn=lambda: scheduler.stop() if pipeline.frames >= 10 else None)
    with av.open(str(path)) as video:
        assert video.streams.video[0].codec_context.name == "h264"
        assert sum(1 for _ in video.decode(video=0)) == pipeline.feeders[0].written >= 9
    assert list(tmp_path.iterdir()) == [path]
