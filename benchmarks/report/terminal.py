"""A report on the terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Literal

from rich.box import SIMPLE
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from ermu.benchmarks.report.doubts import doubts, stored
from ermu.benchmarks.report.report import Figures, Percentiles, Report, StepTimes


def print_report(report: Report, console: Console) -> None:
    """Setup, candidates side by side, stages against the floor."""
    setup, machine, peak = report.setup, report.machine, report.gemm_peak_gflops
    height, width = setup.network_size
    governor = f"governor {machine.governor}, " if machine.governor else ""
    rounded = f", {peak.bf16:.0f} GFLOP/s bf16" if peak.bf16 else ""
    console.print(
        f"{setup.network} {setup.precision} at {height}x{width}, T = {setup.memory}, gap {setup.gap}, "
        f"{setup.objects} objects, {setup.threads} threads, {setup.frames} frames of {setup.source}\n"
        f"{machine.cpu}, {len(machine.affinity)} of {machine.cores} cores, {governor}"
        f"GEMM peak {peak.fp32:.0f} GFLOP/s fp32, {peak.int8:.0f} GOP/s int8{rounded}\n"
        f"{report.fps:.2f} FPS, {report.gflop_per_frame:.1f} GFLOP a frame, "
        f"{report.floor_share['overall']:.0%} of the GEMM floor, peak RSS {report.peak_rss_mb:.0f} MB"
        + (f", {report.launches} launches and copies a steady frame" if report.launches else ""),
        markup=False,
        highlight=False,
        soft_wrap=True,
    )
    console.print(_candidates(report))
    for name, peer in report.peers.items():
        if peer.network is not None:
            console.print(f"{name}: {peer.description}", markup=False, highlight=False, soft_wrap=True)
    if report.rivals:
        name = report.rivals[0]
        console.print(
            f"{report.speedup[name]:.2f}x the fastest peer that computes in no fewer bits: {name}",
            highlight=False,
        )
    if found := doubts(report, stored(report)):
        console.print(f"Not for the record: {'; '.join(found)}.", highlight=False, soft_wrap=True)
    console.print(_stages(report))
    if report.sustained:
        sustained, latency = report.sustained, report.sustained.capture_to_result_ms
        console.print(
            f"sustained {sustained.fps:.1f} FPS over {sustained.frames} frames of {sustained.source} "
            f"(sinks: {', '.join(sustained.sinks) or 'none'}), capture to result at "
            f"{sustained.camera_fps:.0f} FPS p50 {latency.p50:.0f} ms, p99 {latency.p99:.0f} ms",
            markup=False,
            highlight=False,
            soft_wrap=True,
        )
    print_scaling(report, console)


def print_scaling(report: Report, console: Console) -> None:
    """The scaling tables, where there are any."""
    for what, points in report.scaling.items():
        peers = list(points[0].speedup) if points else []
        rows = []
        for point in points:
            faster = [f"{point.speedup[peer]:.2f}x" for peer in peers]
            times = _ms(point.cycle_ms), *_kinds(point.step_ms), f"{point.fps:.1f}"
            rows.append([point.value, *times, f"{point.relative:.2f}", *faster])
        console.print(_table([what, "frame ms", "steady", "memory", "FPS", "to the first", *peers], rows))


def _candidates(report: Report) -> Table:
    rows = [["ours", report.precision, *_times(report), "", "", _accuracy(report, "ours")]]
    for name, peer in report.peers.items():
        share = f"{report.agreement[name]:.2%}" if name in report.agreement else ""
        share += "" if report.same_evictions.get(name, True) else "*"
        against = _times_faster(report.speedup[name]), share, _accuracy(report, name)
        rows.append([name, peer.precision, *_times(peer), *against])
    heads = ["", "", "frame\nms", "p99", "steady", "memory", "faster", "labels", "J"]
    table = _table(heads, rows)
    if not all(report.same_evictions.values()):
        table.caption = "* other frames left its memory"
    return table


def _accuracy(report: Report, name: str) -> str:
    return f"{report.accuracy[name]:.3f}" if name in report.accuracy else ""


def _stages(report: Report) -> Table:
    peers = {name: peer for name, peer in report.peers.items() if peer.network is None}
    rows = []
    for stage, times in report.stages_ms.items():
        work = f"{report.work[stage].total:.1f}" if stage in report.work else ""
        share = f"{report.floor_share[stage]:.0%}" if stage in report.floor_share else ""
        found = [_p50(peer.stages_ms.get(stage)) for peer in peers.values()]
        rows.append([stage, f"{times.p50:.2f}", f"{times.p99:.2f}", work, share, *found])
    return _table(["stage", "p50 ms", "p99", "GFLOP", "of floor", *peers], rows)


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    """A name, then figures to the right; headings break between words, no figure is cut short."""
    table = Table(box=SIMPLE, pad_edge=False, padding=(0, 1, 0, 0))
    for column, head in enumerate(heads):
        longest = max((len(row[column]) for row in rows), default=0)
        side: Literal["left", "right"] = "right" if column else "left"
        table.add_column(head.replace("-", " "), justify=side, min_width=longest)
    for row in rows:
        table.add_row(*row)
    return table


def _times(figures: Figures | Report) -> list[str]:
    step = figures.step_ms
    return [_ms(figures.cycle_ms), _ms(step.p99), *_kinds(step)]


def _kinds(step: StepTimes) -> list[str]:
    return [_ms(step.steady), "" if step.memory is None else _ms(step.memory)]


def _times_faster(value: float) -> str:
    return f"{value:.0f}x" if value >= 100 else f"{value:.2f}x"


def _ms(value: float) -> str:
    return f"{value:.0f}" if value >= 1000 else f"{value:.1f}"


def _p50(times: Percentiles | None) -> str:
    return "" if times is None else f"{times.p50:.2f}"


@contextmanager
def progress_bar(console: Console) -> Iterator[Callable[[str, int, int], None]]:
    """A bar that says what is going on; its value takes what, steps done and their number."""
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("bench", total=None)
        yield lambda what, done, total: bar.update(task, description=what, completed=done, total=total)
