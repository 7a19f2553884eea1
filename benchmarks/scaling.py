"""Scaling tables: the same measurement along one axis."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from itertools import chain
from time import perf_counter

from ermu.benchmarks.candidates.segmenter import SegmenterCandidate
from ermu.benchmarks.clip import open_clip
from ermu.benchmarks.interleaved_run import Progress, run_interleaved
from ermu.benchmarks.options import BenchOptions
from ermu.benchmarks.plan import Plan
from ermu.benchmarks.report.report import Figures, ScalingRow
from ermu.errors import BenchmarkError, OptionError
from ermu.runtime.streams.work.lanes import Lanes, usual_lanes
from ermu.types import Image

MEMORIES = tuple(range(1, 10))
SIZES = ((161, 289), (241, 417), (353, 641), (481, 849))
OBJECTS = (1, 10, 20, 50)
STREAMS = (1, 2, 4)
AXES = ("memory", "size", "objects", "streams")


def check_axes(options: BenchOptions) -> None:
    """Refuses what cannot be scaled, before anything is timed.

    Raises:
        OptionError: there is no such axis, or a source leaves no room for it.
    """
    for axis in options.scale:
        if axis not in AXES:
            raise OptionError(f"Nothing scales with '{axis}'.", expected=f"one of {', '.join(AXES)}")
        if options.source is not None and axis in ("size", "objects"):
            raise OptionError(f"A source has one {axis}.", fix=f"leave --source out to scale the {axis}")


def measure_scaling(axis: str, options: BenchOptions, progress: Progress) -> list[ScalingRow]:
    """One table.

    Args:
        axis: memory (T = 1..9), size, objects (groups of ten) or streams (sharing one backend).
        options: Everything else.
        progress: As in `run_bench`.
    """
    return _TABLES[axis](options, progress)


def _memory(options: BenchOptions, progress: Progress) -> list[ScalingRow]:
    return _measured({f"T = {t}": replace(options, memory=t) for t in MEMORIES}, progress)


def _size(options: BenchOptions, progress: Progress) -> list[ScalingRow]:
    fixed = Plan.of(options).bundle.manifest.input.size
    if fixed is not None:
        raise BenchmarkError(f"The bundle takes {fixed[0]}x{fixed[1]} only.", expected="a bundle of any size")
    return _measured({f"{h}x{w}": replace(options, size=(h, w)) for h, w in SIZES}, progress)


def _objects(options: BenchOptions, progress: Progress) -> list[ScalingRow]:
    return _measured({str(count): replace(options, objects=count) for count in OBJECTS}, progress)


def _measured(points: dict[str, BenchOptions], progress: Progress) -> list[ScalingRow]:
    rows: list[ScalingRow] = []
    for value, options in points.items():
        plan = Plan.of(options)
        with open_clip(options, plan.frames_needed) as clip:
            run = run_interleaved(plan, clip, _prefixed(progress, value))
        ours = run.ours.figures()
        first = rows[0].cycle_ms if rows else ours.cycle_ms
        speedup = {peer.name: peer.figures().cycle_ms / ours.cycle_ms for peer in run.peers}
        rows.append(_row(value, ours, ours.fps, ours.cycle_ms / first, speedup))
    return rows


def _streams(options: BenchOptions, progress: Progress) -> list[ScalingRow]:
    rows: list[ScalingRow] = []
    for count in STREAMS:
        figures, fps = _together(Plan.of(options), count, _prefixed(progress, f"{count} streams"))
        first = rows[0].fps if rows else fps
        rows.append(_row(str(count), figures, fps, fps / first, {}))
    return rows


def _together(plan: Plan, count: int, progress: Progress) -> tuple[Figures, float]:
    """Streams in as many lanes as `ermu run` gives them, a frame each: one's figures, and the FPS of all."""
    options = plan.options
    lanes = usual_lanes(count, device=options.device, threads=plan.threads)
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


def _row(value: str, figures: Figures, fps: float, relative: float, speedup: dict[str, float]) -> ScalingRow:
    return ScalingRow(
        value=value,
        step_ms=figures.step_ms,
        cycle_ms=figures.cycle_ms,
        fps=fps,
        relative=relative,
        speedup=speedup,
    )


def _prefixed(progress: Progress, prefix: str) -> Progress:
    return lambda what, done, total: progress(f"{prefix}: {what}", done, total)


_TABLES: dict[str, Callable[[BenchOptions, Progress], list[ScalingRow]]] = {
    "memory": _memory,
    "size": _size,
    "objects": _objects,
    "streams": _streams,
}
