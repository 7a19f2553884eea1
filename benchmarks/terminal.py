"""A report on the terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.box import SIMPLE
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from .report import Figures, Percentiles, Report, StepTimes


def print_report(report: Report, console: Console) -> None:
    """Setup, contenders side by side, stages against the floor."""
    setup, machine, peak = report.setup, report.machine, report.gemm_peak_gflops
    height, width = setup.network_size
    governor = f"governor {machine.governor}, " if machine.governor else ""
    console.print(
        f"{setup.network} {setup.precision} at {height}x{width}, T = {setup.memory}, gap {setup.gap}, "
        f"{setup.objects} objects, {setup.threads} threads, {setup.frames} frames of {setup.source}\n"
        f"{machine.cpu}, {machine.usable} of {machine.cores} cores, {governor}"
        f"GEMM peak {peak.fp32:.0f} GFLOP/s fp32, {peak.int8:.0f} GOP/s int8\n"
        f"{report.gflop_per_frame:.1f} GFLOP a frame, {report.floor_share['overall']:.0%} of the GEMM floor, "
        f"peak RSS {report.peak_rss_mb:.0f} MB",
        highlight=False,
        soft_wrap=True,
    )
    console.print(_contenders(report))
    console.print(_stages(report))
    if report.sustained:
        sustained, latency = report.sustained, report.sustained.capture_to_result_ms
        console.print(
            f"sustained {sustained.fps:.1f} FPS over {sustained.frames} frames of {sustained.source} "
            f"(sinks: {', '.join(sustained.sinks) or 'none'}), capture to result p50 {latency.p50:.0f} ms, "
            f"p99 {latency.p99:.0f} ms",
            highlight=False,
            soft_wrap=True,
        )
    print_scaling(report, console)


def print_scaling(report: Report, console: Console) -> None:
    """The scaling tables, where there are any."""
    for what, rows in report.scaling.items():
        peers = list(rows[0].speedup) if rows else []
        table = _table(what, "frame ms", "steady", "memory", "FPS", "to the first", *peers)
        for row in rows:
            faster = [f"{row.speedup[peer]:.2f}x" for peer in peers]
            times = f"{row.cycle_ms:.1f}", *_kinds(row.step_ms)
            table.add_row(row.value, *times, f"{row.fps:.1f}", f"{row.relative:.2f}", *faster)
        console.print(table)


def _contenders(report: Report) -> Table:
    table = _table("", "frame ms", "p99", "steady", "memory", "FPS", "faster", "labels", "evicted")
    table.add_row("ours", *_times(report), "", "", str(report.evictions))
    for name, peer in report.peers.items():
        evictions = "same" if report.same_evictions[name] else "differ"
        against = f"{report.speedup[name]:.2f}x", f"{report.agreement[name]:.2%}", evictions
        table.add_row(name, *_times(peer), *against)
    return table


def _stages(report: Report) -> Table:
    table = _table("stage", "p50 ms", "p99", "GFLOP", "of floor", *report.peers)
    for stage, times in report.stages_ms.items():
        work = report.work.get(stage)
        table.add_row(
            stage,
            f"{times.p50:.2f}",
            f"{times.p99:.2f}",
            f"{work.total:.1f}" if work else "",
            f"{report.floor_share[stage]:.0%}" if stage in report.floor_share else "",
            *(_p50(peer.stages_ms.get(stage)) for peer in report.peers.values()),
        )
    return table


def _table(first: str, *columns: str) -> Table:
    """A name, then figures to the right; headings may break between words, nothing is cut short."""
    table = Table(box=SIMPLE, pad_edge=False)
    table.add_column(first, no_wrap=True)
    for column in columns:
        table.add_column(column.replace("-", " "), justify="right")
    return table


def _times(figures: Figures | Report) -> list[str]:
    step = figures.step_ms
    return [f"{figures.cycle_ms:.1f}", f"{step.p99:.1f}", *_kinds(step), f"{figures.fps:.2f}"]


def _kinds(step: StepTimes) -> list[str]:
    return [f"{step.steady:.1f}", "" if step.memory is None else f"{step.memory:.1f}"]


def _p50(times: Percentiles | None) -> str:
    return "" if times is None else f"{times.p50:.2f}"


@contextmanager
def progress_bar(console: Console) -> Iterator[Callable[[str, int, int], None]]:
    """A bar that says what is going on; its value takes what, steps done and their number."""
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("bench", total=None)
        yield lambda what, done, total: bar.update(task, description=what, completed=done, total=total)
