"""What a run shows on the terminal: progress over sequences, tables, and what went wrong."""

from __future__ import annotations

from math import isnan
from types import TracebackType

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from ermu.evaluation.comparison.bootstrap import LEVEL, RESAMPLES
from ermu.evaluation.comparison.runs import COLUMNS, comparison_rows
from ermu.evaluation.datasets import Dataset
from ermu.evaluation.runner import Outcome
from ermu.evaluation.scores import Report, SequenceScores


class SequenceProgress:
    """A progress bar over sequences with the frames a second so far; a context manager.

    Args:
        name: Of the run.
        total: Number of sequences, resumed ones included.
    """

    def __init__(self, name: str, total: int) -> None:
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[fps]}"),
            TimeRemainingColumn(),
        )
        self._console = Console(stderr=True)
        self._bar = Progress(*columns, console=self._console, transient=True)
        self._task = self._bar.add_task(name, total=total, fps="")
        self._frames, self._seconds = 0, 0.0

    def done(self, name: str, outcome: Outcome) -> None:
        """Counts a finished sequence and says how it went."""
        if isinstance(outcome, SequenceScores):
            self._frames += outcome.frames_run
            self._seconds += outcome.seconds
            figures = f"J {outcome.j_mean:.3f}, J_tr {outcome.j_last_mean:.3f}"
            line = f"{name}: {'not scored' if outcome.unscored else figures}"
            line += _speed(outcome.frames_run, outcome.seconds)
            self._console.print(line, highlight=False, markup=False)
        else:
            self._console.print(f"[red]{escape(name)}:[/] {escape(outcome)}", highlight=False)
        fps = f"{self._frames / self._seconds:.1f} FPS" if self._seconds > 0 else ""
        self._bar.update(self._task, advance=1, fps=fps)

    def __enter__(self) -> SequenceProgress:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()


def _speed(frames: int, seconds: float) -> str:
    return f", {frames} frames at {frames / seconds:.1f} FPS" if seconds > 0 else ""


def print_report(name: str, report: Report, dataset: Dataset) -> None:
    """Prints the per-sequence table, the global figures and the failures of a run."""
    console = Console()
    boundary = dataset.boundary
    measures = ["J", "J_tr", *(["F"] if boundary else [])]
    table = Table(title=escape(f"{name} on {dataset.name} {dataset.split}"))
    for column in ("Sequence", "Objects", *measures, "Frames", "ms a frame"):
        table.add_column(column, justify="left" if column == "Sequence" else "right")
    for scores in report.scores:
        values = [scores.j_mean, scores.j_last_mean, *([scores.f_mean] if boundary else [])]
        timing = f"{scores.ms_per_frame:.1f}" if scores.frames_run else "-"
        cells = ["-" if isnan(value) else f"{value:.3f}" for value in values]
        table.add_row(
            escape(scores.sequence),
            str(scores.objects),
            *cells,
            str(scores.frames_run or len(scores.frames)),
            timing,
        )
    console.print(table)
    figures = ", ".join(f"{column} {value:.4f}" for column, value in report.figures.items())
    console.print(figures or "No figures: no frame could be scored.", highlight=False)
    for remark in report.remarks:
        console.print(escape(remark), highlight=False, soft_wrap=True)
    if report.resumed:
        console.print(f"{report.resumed} sequences were scored before.", highlight=False)
    for sequence, problem in report.failures.items():
        console.print(f"[red]not scored, {escape(sequence)}:[/] {escape(problem)}", highlight=False)


def print_comparison(reports: dict[str, Report]) -> None:
    """Prints one row for every run: J, J_tr, what it gains over the first, memory and time."""
    table = Table(title="Comparison")
    for column in COLUMNS:
        table.add_column(column, justify="left" if column == "Run" else "right")
    for row in comparison_rows(reports):
        table.add_row(*(f"{cell:.3f}" if isinstance(cell, float) else cell for cell in row))
    Console().print(table)
    note = (
        f"J gained is over {next(iter(reports))}, object by object; from and to hold {LEVEL:.0%} of the "
        f"means of {RESAMPLES:,} draws of objects with replacement."
    )
    Console().print(note, highlight=False)
