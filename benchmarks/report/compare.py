"""Two reports side by side: what became slower, and which stage did it."""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, fsum, log

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from ermu.benchmarks.report.report import Report
from ermu.errors import BenchmarkError

TOLERANCE = 0.1
_WORTH_NAMING = 0.01  # of a frame: a stage that changed by less is not what moved
_SETUP_FIELDS = (
    "network",
    "precision",
    "device",
    "backend",
    "policy",
    "source",
    "network_size",
    "objects",
    "memory",
    "gap",
    "threads",
)


@dataclass(frozen=True)
class Change:
    """A figure before and after."""

    before: float
    after: float

    @property
    def ratio(self) -> float:
        return self.after / self.before


@dataclass(frozen=True)
class ReportComparison:
    """What changed between two reports.

    Attributes:
        same_machine: Whether both come from machines of one kind.
        setup: Settings that differ, with both values.
        cycle_ms: Of a frame.
        stages_ms: Medians of the stages that both have.
        speedup: Over each peer that both ran.
        drift: How much slower the machine itself was, by the common peers' frames; 1 without any.
        slowdown: Of ours, the drift taken out: 1.2 is a fifth more time.
        moved: Stages that changed beyond the tolerance, drift taken out, the largest change first.
        tolerance: Share by which a frame or a stage may change.
    """

    same_machine: bool
    setup: dict[str, tuple[str, str]]
    cycle_ms: Change
    stages_ms: dict[str, Change]
    speedup: dict[str, Change]
    drift: float
    slowdown: float
    moved: list[str]
    tolerance: float

    @property
    def slower(self) -> bool:
        """Whether ours needs more time than the tolerance allows."""
        return self.slowdown > 1 + self.tolerance


def compare_reports(before: Report, after: Report, tolerance: float = TOLERANCE) -> ReportComparison:
    """Compares by the ratio to the peers that both ran; without any, by time on one kind of machine.

    Raises:
        BenchmarkError: the machines differ and no peer ran on both.
    """
    same_machine = before.machine.kind == after.machine.kind
    common = [name for name in before.peers if name in after.peers]
    if not common and not same_machine:
        raise BenchmarkError(
            f"Nothing links {before.machine.kind} and {after.machine.kind}.",
            expected="reports of one kind of machine, or with a common peer",
            fix="run both with --against torch-published",
        )
    cycle = Change(before.cycle_ms, after.cycle_ms)
    drift = _geometric_mean([after.peers[p].cycle_ms / before.peers[p].cycle_ms for p in common])
    stages = {
        stage: Change(times.p50, after.stages_ms[stage].p50)
        for stage, times in before.stages_ms.items()
        if stage in after.stages_ms and times.p50 > 0
    }
    return ReportComparison(
        same_machine=same_machine,
        setup=_differences(before, after),
        cycle_ms=cycle,
        stages_ms=stages,
        speedup={name: Change(before.speedup[name], after.speedup[name]) for name in common},
        drift=drift,
        slowdown=cycle.ratio / drift,
        moved=_moved(stages, drift, tolerance, before.cycle_ms),
        tolerance=tolerance,
    )


def print_comparison(comparison: ReportComparison, console: Console) -> None:
    """Settings that differ, every ratio, and the verdict."""
    if not comparison.same_machine:
        console.print("The machines differ in kind: only the ratio to the peers means anything.")
    for name, (old, new) in comparison.setup.items():
        console.print(f"{name}: {old} -> {new}", highlight=False, markup=False)
    table = Table("", "before", "after", "ratio", "machine's drift taken out", box=SIMPLE)
    rows = {"frame": comparison.cycle_ms, **comparison.stages_ms}
    for name, change in rows.items():
        times = f"{change.before:.2f} ms", f"{change.after:.2f} ms", f"{change.ratio:.3f}"
        table.add_row(name, *times, f"{change.ratio / comparison.drift:.3f}")
    for name, change in comparison.speedup.items():
        table.add_row(f"over {name}", f"{change.before:.2f}x", f"{change.after:.2f}x", f"{change.ratio:.3f}")
    console.print(table)
    console.print(verdict(comparison), highlight=False, soft_wrap=True)


def verdict(comparison: ReportComparison) -> str:
    """One sentence: how much slower or faster, and which stages moved."""
    change = comparison.slowdown - 1
    word = "slower" if change > 0 else "faster"
    moved = []
    for stage in comparison.moved:
        ratio = comparison.stages_ms[stage].ratio / comparison.drift
        moved.append(f"{stage} {'+' if ratio > 1 else '-'}{abs(ratio - 1):.0%}")
    what = f"stages that moved: {', '.join(moved)}" if moved else "no stage moved"
    allowed = f"beyond the {comparison.tolerance:.0%} allowed" if comparison.slower else "within bounds"
    return f"{abs(change):.1%} {word} ({allowed}); {what}."


def _differences(before: Report, after: Report) -> dict[str, tuple[str, str]]:
    pairs = {name: (getattr(before.setup, name), getattr(after.setup, name)) for name in _SETUP_FIELDS}
    return {name: (str(old), str(new)) for name, (old, new) in pairs.items() if old != new}


def _moved(stages: dict[str, Change], drift: float, tolerance: float, frame_ms: float) -> list[str]:
    moves = {stage: change.after / drift - change.before for stage, change in stages.items()}
    beyond = [
        stage
        for stage, ms in moves.items()
        if abs(ms) > tolerance * stages[stage].before and abs(ms) > _WORTH_NAMING * frame_ms
    ]
    return sorted(beyond, key=lambda stage: -abs(moves[stage]))


def _geometric_mean(ratios: list[float]) -> float:
    return exp(fsum(map(log, ratios)) / len(ratios)) if ratios else 1.0
