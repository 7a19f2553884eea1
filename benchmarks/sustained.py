"""The rate that a whole stream keeps: capture, segmenting and sinks in their own threads."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from time import perf_counter

from ermu.errors import BenchmarkError
from ermu.runtime import Frame, FrameResult, Pipeline, Source, open_source
from ermu.runtime.labels import LabelMap
from ermu.runtime.sinks import LabelSink, OverlaySink, Sink

from .clip import first_label, scene_clip, write_video
from .contender import percentiles
from .options import DEFAULT_SIZE
from .plan import Plan
from .report import Sustained

_VIDEO_FPS = 25.0


def measure_sustained(plan: Plan, *, sinks: bool) -> Sustained:
    """Runs ours through the pipeline; timed from where the memory is full and warmed up.

    Args:
        plan: What to run; without a source, a scene is drawn into a motion JPEG video first.
        sinks: Whether labels and an overlay video are written.

    Raises:
        BenchmarkError: the source ends before any frame is timed.
    """
    with tempfile.TemporaryDirectory() as folder, _opened(plan, Path(folder)) as (source, label):
        written: list[Sink] = []
        if sinks:
            written = [
                LabelSink(Path(folder) / "labels"),
                OverlaySink(Path(folder) / "overlay.mp4", source.fps),
            ]
        watch = _Watch(plan)
        pipeline = Pipeline(watch.segmenter, source, written)
        try:
            pipeline.run(label, max_frames=plan.frames_needed, on_frame=watch.observe)
        finally:
            watch.segmenter.close()
        return watch.figures(source.description, tuple(sink.name for sink in written))


class _Watch:
    """Notes when each frame was done, from the frame on after which the memory is full and warm."""

    def __init__(self, plan: Plan) -> None:
        self._plan, self._contender = plan, plan.ours()
        self.segmenter = self._contender.segmenter
        self.segmenter.gap = 1  # until the memory is full
        self._stamps: list[float] = []
        self._latencies: list[float] = []

    def observe(self, frame: Frame, result: FrameResult) -> None:
        """Called by the pipeline after every frame."""
        if len(result.memory_frames) >= self._plan.memory:
            self.segmenter.gap = self._contender.steady_gap
        if result.frame >= self._plan.memory + self._plan.warmup - 1:
            self._stamps.append(perf_counter())
            self._latencies.append(result.ms["capture_to_result"])

    def figures(self, source: str, sinks: tuple[str, ...]) -> Sustained:
        """What the frames after the first noted one took."""
        frames = len(self._stamps) - 1
        if frames < 1:
            raise BenchmarkError(
                f"{source} ended before the memory was full.", fix="use a longer source or less --warmup"
            )
        return Sustained(
            source=source,
            sinks=sinks,
            frames=frames,
            fps=frames / (self._stamps[-1] - self._stamps[0]),
            capture_to_result_ms=percentiles(self._latencies[1:]),
        )


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
