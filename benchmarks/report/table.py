"""The table of speed of docs/benchmarks.md, made from the stored reports.

    python -m ermu.benchmarks.report.table [--results benchmarks/results] [--page docs/benchmarks.md]

Replaces what stands between `<!-- bench:begin -->` and `<!-- bench:end -->`; without --page, prints it.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from ermu.benchmarks.report.report import Report
from ermu.errors import BenchmarkError, ErmuError
from ermu.runtime.files import replace_atomically

BEGIN, END = "<!-- bench:begin -->", "<!-- bench:end -->"
_HEAD = (
    "network, input",
    "precision",
    "against the fastest peer",
    "a frame (steady / memory)",
    "FPS",
    "of the GEMM floor",
    "peak RSS",
    "J",
)


def markdown_table(reports: Sequence[Report]) -> str:
    """One row a report, in the order given; a column a peer: its frame, how much faster ours is, labels."""
    peers = list(dict.fromkeys(name for report in reports for name in report.peers))
    head = [*_HEAD, *peers]
    lines = [" | ".join(head), " | ".join("---" for _ in head)]
    lines += [" | ".join(_row(report, peers)) for report in reports]
    return "\n".join(f"| {line} |" for line in lines)


def replace_table(page: Path, table: str) -> None:
    """Puts a table between the markers.

    Raises:
        BenchmarkError: the file has no such markers.
    """
    text = page.read_text()
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise BenchmarkError(f"{page} has no place for the table.", expected=f"the lines {BEGIN} and {END}")
    with replace_atomically(page) as temporary:
        temporary.write_text(f"{before}{BEGIN}\n{table}\n{END}{after}")


def load_reports(results: Path) -> list[Report]:
    """Every `bench-*.json` of a folder, by name.

    Raises:
        BenchmarkError: there is none, or one is not a report.
    """
    files = sorted(results.glob("bench-*.json"))
    if not files:
        raise BenchmarkError(
            f"{results} has no reports.", expected="bench-*.json, written by `ermu bench --json`"
        )
    return [Report.load(file) for file in files]


def _row(report: Report, peers: Sequence[str]) -> list[str]:
    setup, step = report.setup, report.step_ms
    height, width = setup.network_size
    memory = "-" if step.memory is None else _ms(step.memory)
    return [
        f"{setup.network}, {height}x{width}, T = {setup.memory}",
        setup.precision if setup.backend == "onnxruntime" else f"{setup.precision}, {setup.backend}",
        f"**{report.speedup[report.rivals[0]]:.2f}x** {report.rivals[0]}" if report.rivals else "",
        f"{_ms(report.cycle_ms)} ms ({_ms(step.steady)} / {memory})",
        f"{report.fps:.1f}",
        f"{report.floor_share['overall']:.0%}",
        f"{report.peak_rss_mb:.0f} MB",
        f"{report.accuracy['ours']:.3f}" if "ours" in report.accuracy else "",
        *(_against(report, peer) for peer in peers),
    ]


def _against(report: Report, peer: str) -> str:
    if peer not in report.peers:
        return ""
    figures = report.peers[peer]
    cell = f"{figures.precision}: {_ms(figures.cycle_ms)} ms, {report.speedup[peer]:.2f}x"
    return f"{cell}, {report.agreement[peer]:.2%} of pixels" if peer in report.agreement else cell


def _ms(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}"


def main() -> None:
    """Reads the arguments and writes or prints the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--results", type=Path, default=Path(__file__).parents[1] / "results")
    parser.add_argument("--page", type=Path)
    arguments = parser.parse_args()
    try:
        table = markdown_table(load_reports(arguments.results))
        if arguments.page:
            replace_table(arguments.page, table)
        else:
            print(table)
    except ErmuError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
