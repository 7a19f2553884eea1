"""Scaling tables: the same measurement along one axis."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from ermu.benchmarks.clip import open_clip
from ermu.benchmarks.interleaved_run import Progress, run_interleaved
from ermu.benchmarks.options import BenchOptions
from ermu.benchmarks.plan import Plan
from ermu.benchmarks.report.report import Figures, ScalingRow
from ermu.benchmarks.scaling.together import run_together
from ermu.errors import BenchmarkError, OptionError

MEMORIES = tuple(range(1, 10))
SIZES = ((161, 289), (241, 417), (353, 641), (481, 849))
OBJECTS = (1, 10, 20, 50)
STREAMS = (1, 2, 4)
LANES = (1, 2, 4)  # of the most streams
AXES = ("memory", "size", "objects", "streams", "lanes")


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
        axis: memory (T = 1..9), size, objects (groups of ten), streams (in as many lanes as is
            usual) or lanes (of four streams).
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
        figures, fps = run_together(Plan.of(options), count, _prefixed(progress, f"{count} streams"))
        first = rows[0].fps if rows else fps
        rows.append(_row(str(count), figures, fps, fps / first, {}))
    return rows


def _lanes(options: BenchOptions, progress: Progress) -> list[ScalingRow]:
    rows: list[ScalingRow] = []
    for lanes in LANES:
        prefixed = _prefixed(progress, f"{lanes} lanes")
        figures, fps = run_together(Plan.of(options), STREAMS[-1], prefixed, lanes=lanes)
        rows.append(_row(str(lanes), figures, fps, fps / (rows[0].fps if rows else fps), {}))
    return rows


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
    "lanes": _lanes,
}
