"""A report on the terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.box import SIMPLE
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from .report import Percentiles, Report, StepTimes


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
        table = Table(
            what,
            "frame ms",
            "steady",
            "memory",
            "FPS",
            "to the first",
            *(f"x {p}" for p in peers),
            box=SIMPLE,
        )
        for row in rows:
            table.add_row(
                row.value,
                f"{row.cycle_ms:.1f}",
                *_kinds(row.step_ms),
                f"{row.fps:.1f}",
                f"{row.relative:.2f}",
                *(f"{row.speedup[peer]:.2f}" for peer in peers),
            )
        console.print(table)


def _contenders(report: Report) -> Table:
    columns = ("frame ms", "p50", "p99", "steady", "memory", "FPS", "ours is", "labels equal", "evictions")
    table = Table("", *columns, box=SIMPLE)
    fps = f"{report.fps:.2f}"
    table.add_row(
        "ours", f"{report.cycle_ms:.1f}", *_times(report.step_ms), fps, "", "", str(report.evictions)
    )
    for name, peer in report.peers.items():
        table.add_row(
            name,
            f"{peer.cycle_ms:.1f}",
            *_times(peer.step_ms),
            f"{peer.fps:.2f}",
            f"{report.speedup[name]:.2f}x",
            f"{report.agreement[name]:.3%}",
            "same" if report.same_evictions[name] else "differ",
        )
    return table


def _stages(report: Report) -> Table:
    table = Table("stage", "p50 ms", "p90", "p99", "GFLOP", "of the floor", *report.peers, box=SIMPLE)
    for stage, times in report.stages_ms.items():
        work = report.work.get(stage)
        table.add_row(
            stage,
            *(f"{value:.2f}" for value in (times.p50, times.p90, times.p99)),
            f"{work.total:.1f}" if work else "",
            f"{report.floor_share[stage]:.0%}" if stage in report.floor_share else "",
            *(_p50(peer.stages_ms.get(stage)) for peer in report.peers.values()),
        )
    return table


def _times(step: StepTimes) -> list[str]:
    return [f"{value:.1f}" for value in (step.p50, step.p99)] + _kinds(step)


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
