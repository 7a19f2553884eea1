"""The rate that a whole stream keeps: capture, segmenting and sinks in their own threads."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from time import perf_counter

from ermu.benchmarks.candidates.candidate import percentiles
from ermu.benchmarks.candidates.segmenter import SegmenterCandidate
from ermu.benchmarks.clip import first_label, scene_clip, write_video
from ermu.benchmarks.options import DEFAULT_SIZE
from ermu.benchmarks.plan import Plan
from ermu.benchmarks.report.report import Sustained
from ermu.errors import BenchmarkError
from ermu.runtime.results import FrameResult
from ermu.runtime.sinks.base import Sink, SinkContext
from ermu.runtime.sinks.kinds.labels import LabelSink
from ermu.runtime.sinks.kinds.overlay import OverlaySink
from ermu.runtime.sources.base import Frame, Source
from ermu.runtime.sources.opening import open_source
from ermu.runtime.sources.paced import PacedSource
from ermu.runtime.streams.pipeline import Pipeline
from ermu.types import LabelMap

_VIDEO_FPS = 25.0
_LATENCY_FRAMES = 100


def measure_sustained(plan: Plan, *, sinks: bool) -> Sustained:
    """Runs ours through the pipeline twice; timed from where the memory is full and warmed up.

    Once as fast as it goes, every frame: the rate. Once at the source's own rate, as a camera would, only the
    newest frame counting: the latency. A live source is run once, for both.

    Args:
        plan: What to run; without a source, a scene is drawn into a motion JPEG video first.
        sinks: Whether labels and an overlay video are written.

    Raises:
        BenchmarkError: the source ends before any frame is timed.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with _opened(plan, folder) as (source, label):
            live, description, rate = source.live, source.description, source.fps
            whole = _run(plan, source, label, plan.frames, folder if sinks else None)
        camera = whole
        if not live:
            with _opened(plan, folder) as (source, label), PacedSource(source, loop=True) as paced:
                frames = min(plan.frames, _LATENCY_FRAMES)
                camera = _run(plan, paced, label, frames, folder if sinks else None)
    return Sustained(
        source=description,
        sinks=("labels", "overlay") if sinks else (),
        frames=len(whole.stamps) - 1,
        fps=whole.fps,
        camera_fps=rate,
        capture_to_result_ms=percentiles(camera.latencies_ms[1:]),
    )


def _run(plan: Plan, source: Source, label: LabelMap, frames: int, folder: Path | None) -> _Watch:
    sinks: list[Sink] = []
    if folder is not None:
        sinks = [LabelSink(folder / "labels"), OverlaySink(folder / "overlay.mp4", SinkContext(source.fps))]
    candidate = plan.ours()
    watch = _Watch(plan, candidate)
    pipeline = Pipeline(candidate.segmenter, source, sinks)
    try:
        pipeline.run(label, max_frames=plan.lead + frames, on_frame=watch.observe)
    finally:
        candidate.segmenter.close()
    if len(watch.stamps) < 2:
        raise BenchmarkError(
            f"{source.description} ended before the memory was full.",
            fix="use a longer source or less --warmup",
        )
    return watch


class _Watch:
    """Notes when each frame was done, from the frame on after which the memory is full and warm.

    Attributes:
        stamps: Seconds, when each was done.
        latencies_ms: From capture to result.
    """

    def __init__(self, plan: Plan, candidate: SegmenterCandidate) -> None:
        self._plan, self._candidate = plan, candidate
        candidate.segmenter.gap = 1  # until the memory is full
        self.stamps: list[float] = []
        self.latencies_ms: list[float] = []

    @property
    def fps(self) -> float:
        return (len(self.stamps) - 1) / (self.stamps[-1] - self.stamps[0])

    def observe(self, frame: Frame, result: FrameResult) -> None:
        """Called by the pipeline after every frame."""
        if len(result.memory_frames) >= self._plan.memory:
            self._candidate.segmenter.gap = self._candidate.steady_gap
        if result.frame >= self._plan.lead - 1:
            self.stamps.append(perf_counter())
            self.latencies_ms.append(result.ms["capture_to_result"])


@contextmanager
def _opened(plan: Plan, folder: Path) -> Iterator[tuple[Source, LabelMap]]:
    options = plan.options
    if options.source is not None:
        with open_source(options.source) as source:
            yield source, first_label(source, options.prompt)
        return
    height, width = options.size or DEFAULT_SIZE
    even = replace(options, size=(height // 2 * 2, width // 2 * 2))  # as video codecs want it
    clip, video = scene_clip(even, plan.frames_needed), folder / "clip.avi"
    write_video(clip, plan.frames_needed, video, _VIDEO_FPS)
    with open_source(str(video)) as source:
        source.description = f"{clip.description}, as motion JPEG"
        yield source, clip.label
