"""Several runs over the same frames in one table: eviction policies, and the baseline beside the network."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

from ermu.evaluation.comparison.bootstrap import gain
from ermu.evaluation.datasets import Dataset
from ermu.evaluation.prediction.settings import RunSettings
from ermu.evaluation.results import write_csv
from ermu.evaluation.runner import Run
from ermu.evaluation.scores import Report
from ermu.registries import POLICIES
from ermu.runtime.bundle.bundle import Bundle
from ermu.runtime.memory.sets.opening import policies_for
from ermu.runtime.sinks.base import make_folder

logger = logging.getLogger("ermu.evaluation")

COLUMNS = ("Run", "J-Mean", "J_last-Mean", "J gained", "from", "to", "Memory frames", "ms a frame")


def compared_settings(
    settings: RunSettings | None, baseline: str | None, *, policies: bool
) -> list[RunSettings]:
    """Lists the runs of a comparison.

    Args:
        settings: Of the bundle's run; None where only the baseline runs.
        baseline: Added as the last run.
        policies: Run the bundle with every eviction policy that serves it; the log names the others.
    """
    runs = []
    if settings is not None:
        runs = [replace(settings, policy=name) for name in _serving(settings)] if policies else [settings]
    return [*runs, *([RunSettings(baseline=baseline)] if baseline else [])]


def _serving(settings: RunSettings) -> list[str]:
    manifest = Bundle.load(str(settings.bundle)).manifest
    serving = policies_for(manifest)
    others = [name for name in POLICIES.names() if name not in serving]
    if others:
        logger.warning(
            "Not compared, since they do not serve the network %s: %s.",
            manifest.network.name,
            ", ".join(others),
        )
    return serving


def planned_runs(
    dataset: Dataset, settings: list[RunSettings], out: Path, *, workers: int = 1, resume: bool = False
) -> list[Run]:
    """Lays out runs: a single one in `out` itself, several in `out/<name>`."""
    if len(settings) == 1:
        return [Run(dataset, settings[0], out, workers, resume)]
    make_folder(out)
    return [Run(dataset, each, out / each.name, workers, resume) for each in settings]


def write_comparison(reports: dict[str, Report], path: Path) -> None:
    """Writes `COLUMNS` for every run, six decimals.

    Raises:
        SinkError: The table cannot be written.
    """
    write_csv(path, COLUMNS, comparison_rows(reports))


def comparison_rows(reports: dict[str, Report]) -> list[list[str | float]]:
    """A row a run, by `COLUMNS`: what a run has gained is over the first, with its 95% interval (`gain`)."""
    first = next(iter(reports))
    rows: list[list[str | float]] = []
    for name, report in reports.items():
        figures = report.figures
        measured = [figures.get(column, "-") for column in ("J-Mean", "J_last-Mean")]
        gained = gain(report, reports[first]) if name != first else None
        interval: list[str | float] = list(gained) if gained else ["-"] * 3
        rows.append([name, *measured, *interval, str(report.memory_frames), report.ms_per_frame])
    return rows
