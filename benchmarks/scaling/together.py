"""Streams side by side in one process, each frame of each timed."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import chain
from time import perf_counter

from ermu.benchmarks.candidates.segmenter import SegmenterCandidate
from ermu.benchmarks.clip import open_clip
from ermu.benchmarks.interleaved_run import Progress
from ermu.benchmarks.plan import Plan
from ermu.benchmarks.report.report import Figures
from ermu.runtime.streams.work.lanes import Lanes, usual_lanes
from ermu.types import Image


def run_together(
    plan: Plan, count: int, progress: Progress, *, lanes: int | None = None
) -> tuple[Figures, float]:
    """Streams in lanes, a frame each: one's figures, and the FPS of all.

    Args:
        plan: Of each.
        count: Of streams.
        progress: As in `run_bench`.
        lanes: None for as many as `ermu run` gives them.
    """
    options = plan.options
    lanes = lanes or usual_lanes(count, device=options.device, threads=plan.threads)
    opened = Lanes(
        plan.bundle,
        lanes,
        precision=plan.precision,
        device=options.device,
        backend=plan.backend,
        threads=plan.threads,
        policy=plan.policy,
        capacity=max(plan.memory, 2),
        long_edge=plan.long_edge,
    )
    with (
        opened as work,
        open_clip(options, plan.frames_needed) as clip,
        ThreadPoolExecutor(lanes) as pool,
    ):
        for _ in range(count):
            work.segmenter()
        in_lanes = [[plan.followed(each) for each in segmenters] for segmenters in work.segmenters]
        images = clip.take(plan.memory)
        for stream in chain(*in_lanes):
            stream.fill(images, clip.label, warmup=plan.warmup)
        for number, frames in enumerate((plan.warmup, plan.frames)):
            progress("timing" if number else "warming up", number, 2)
            images, began = clip.take(frames), perf_counter()
            list(pool.map(partial(_run, images=images, timed=bool(number)), in_lanes))
    return in_lanes[0][0].figures(), count * plan.frames / (perf_counter() - began)


def _run(streams: list[SegmenterCandidate], images: list[Image], *, timed: bool) -> None:
    for image in images:
        for stream in streams:
            stream.run([image], timed=timed)
