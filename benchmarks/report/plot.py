"""A report drawn: every frame of every candidate, and every stage of ours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ermu.benchmarks.report.report import Report, Samples
from ermu.errors import DependencyError
from ermu.runtime.files import replace_atomically

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_STEADY, _MEMORY, _INK = "#2b6cb0", "#dd6b20", "#2d3748"
_SPREAD = 0.22  # of a row's height, in which its samples are scattered


def plot_report(report: Report, path: Path) -> None:
    """Writes a PNG.

    Raises:
        DependencyError: matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise DependencyError("matplotlib", "Drawing a report", "bench") from error
    stages = report.samples["ours"].stages_ms
    rows = len(report.samples), len(stages)
    figure = Figure(figsize=(9, 1.6 + 0.42 * sum(rows)), layout="constrained")
    frames, parts = figure.subplots(2, 1, height_ratios=[rows[0] + 0.6, rows[1] + 0.6])
    _draw_frames(frames, report.samples)
    _draw_stages(parts, stages)
    setup = report.setup
    height, width = setup.network_size
    figure.suptitle(
        f"{setup.network} {setup.precision}, {height}x{width}, T = {setup.memory}, gap {setup.gap}, "
        f"{setup.threads} threads: {report.machine.cpu}",
        fontsize=10,
        color=_INK,
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    with replace_atomically(path) as temporary:
        figure.savefig(temporary, format="png", dpi=150)


def _draw_frames(axes: Axes, samples: Mapping[str, Samples]) -> None:
    for row, candidate in enumerate(samples.values()):
        memory = np.array(candidate.memory)
        steps = np.array(candidate.step_ms)
        _scatter(axes, row, steps[~memory], _STEADY, "steady frame" if row == 0 else None)
        _scatter(axes, row, steps[memory], _MEMORY, "memory frame" if row == 0 else None)
        _mark_median(axes, row, candidate.step_ms)
    axes.legend(loc="lower right", bbox_to_anchor=(1, 0.98), ncols=2, frameon=False, fontsize=8)
    _finish(axes, list(samples), "a frame")


def _draw_stages(axes: Axes, stages: Mapping[str, list[float]]) -> None:
    for row, values in enumerate(stages.values()):
        _scatter(axes, row, np.array(values), _STEADY, None)
        _mark_median(axes, row, values)
    _finish(axes, list(stages), "stages of ours")


def _scatter(axes: Axes, row: int, values: npt.NDArray[np.float64], colour: str, label: str | None) -> None:
    offsets = np.random.default_rng(row).uniform(-_SPREAD, _SPREAD, len(values))
    axes.scatter(values, row + offsets, s=7, color=colour, alpha=0.5, linewidths=0, label=label)


def _mark_median(axes: Axes, row: int, values: Sequence[float]) -> None:
    middle = median(values)
    axes.plot([middle, middle], [row - 0.36, row + 0.36], color=_INK, linewidth=1.6)
    axes.annotate(
        f"{middle:.3g} ms",
        (middle, row - 0.38),
        ha="center",
        va="bottom",
        fontsize=7,
        color=_INK,
    )


def _finish(axes: Axes, names: Sequence[str], title: str) -> None:
    from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_yticks(range(len(names)), names, fontsize=8)
    axes.set_ylim(len(names) - 0.4, -0.75)
    axes.set_xlabel("ms, logarithmic; the bar is the median", fontsize=8)
    axes.set_title(title, fontsize=9, loc="left", color=_INK)
    axes.grid(axis="x", which="both", linewidth=0.4, alpha=0.4)
    axes.tick_params(axis="x", labelsize=8)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.tick_params(axis="y", length=0)
