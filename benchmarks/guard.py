"""The regression guard behind `make bench`: the demo network against torch, then against the stored result.

    python -m ermu.benchmarks.guard [--store] [--frames 100] [--results benchmarks/results]

Exits with 1 when ours lost more than a tenth against torch since the stored result of this kind of machine,
and when a result is to be stored of a machine that had other things to do.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from rich.console import Console

from ermu.benchmarks.bench import run_bench
from ermu.benchmarks.options import BenchOptions
from ermu.benchmarks.report.compare import compare_reports, print_comparison
from ermu.benchmarks.report.doubts import RESULTS, doubts, stored, stored_path
from ermu.benchmarks.report.terminal import print_report, progress_bar
from ermu.errors import BenchmarkError, ErmuError


def main() -> None:
    """Measures, compares, and stores where asked to or where nothing is stored yet."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--store", action="store_true", help="replace the stored result")
    parser.add_argument("--frames", type=int, default=100)
    parser.add_argument("--results", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    console = Console()
    options = BenchOptions(
        "demo", frames=arguments.frames, backend="onnxruntime", against=("torch-published", "torch-best")
    )
    with progress_bar(console) as progress:
        report = run_bench(options, progress)
    print_report(report, console)
    path, known = stored_path(report, arguments.results), stored(report, arguments.results)
    if arguments.store or known is None:
        if found := doubts(report, known):
            raise BenchmarkError(
                f"Nothing is stored: {'; '.join(found)}.", fix="run it with nothing else on the machine"
            )
        report.save(path)
        console.print(f"stored -> {path}", highlight=False, soft_wrap=True)
        return
    comparison = compare_reports(known, report)
    console.print(f"against {path}:", highlight=False, soft_wrap=True)
    print_comparison(comparison, console)
    sys.exit(comparison.slower)


if __name__ == "__main__":
    try:
        main()
    except ErmuError as error:
        sys.exit(str(error))
