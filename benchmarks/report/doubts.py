"""Why a report's times should not be kept: what shows that the machine had other things to do."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

from ermu.benchmarks.report.report import Report
from ermu.runtime.bundle.bundle import BF16, FP32
from ermu.runtime.timing.other_work import BUSY

RESULTS = Path(__file__).parents[1] / "results"
SPREAD = 0.15  # between the quartiles of a gap cycle, of its median; 0.02 to 0.06 on a quiet machine
PEAK = 0.85  # of the rate stored for such a machine


def doubts(report: Report, known: Report | None = None) -> list[str]:
    """What speaks against its times, a clause each; nothing on a quiet machine.

    Args:
        report: Of a run just made, or one kept.
        known: Another one of the same kind of machine, known to have been quiet.
    """
    found = []
    if report.others_cores is not None and report.others_cores > BUSY:
        found.append(f"other processes kept {report.others_cores:.1f} cores busy")
    if report.spread is not None and report.spread > SPREAD:
        found.append(f"equal work took times {report.spread:.0%} apart")
    peak = report.gemm_peak_gflops.fp32
    usual = known.gemm_peak_gflops.fp32 if known and known.machine.kind == report.machine.kind else peak
    if peak < PEAK * usual:
        found.append(f"the GEMM peak was {peak:.0f} GFLOP/s, and {usual:.0f} on a quiet day")
    if report.setup.precision in (FP32, BF16) and report.floor_share["overall"] > 1:
        share = 1 / report.floor_share["overall"]
        found.append(f"a frame took {share:.0%} of what its products take at the GEMM peak")
    return found


def stored_path(report: Report, results: Path | None = None) -> Path:
    """Where the result of this kind of machine lies, in the repository's folder unless in another."""
    return (results or RESULTS) / f"{report.machine.kind}.json"


def stored(report: Report, results: Path | None = None) -> Report | None:
    """That result, where there is one."""
    path = stored_path(report, results)
    return Report.load(path) if path.is_file() else None


def spread(step_ms: list[float], gap: int) -> float | None:
    """Distance of the quartiles of the gap cycles' times over their median; None of fewer than four."""
    cycles = sorted(sum(step_ms[i:j]) for i, j in pairwise(range(0, len(step_ms) + 1, gap)))
    if len(cycles) < 4:
        return None
    quarter = len(cycles) // 4
    return (cycles[-1 - quarter] - cycles[quarter]) / cycles[len(cycles) // 2]
