"""Plots of J over time, one line an object, as PNG files."""

from __future__ import annotations

from pathlib import Path

from ermu.errors import DependencyError
from ermu.evaluation.scores import Report, SequenceScores
from ermu.runtime.files import replace_atomically
from ermu.runtime.images.palette import PALETTE


def plot_sequence(scores: SequenceScores, path: Path) -> None:
    """Draws J over the scored frames, each object in its label map's colour, the last quarter shaded.

    Raises:
        DependencyError: matplotlib is not installed.
        SinkError: The picture cannot be written.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise DependencyError("matplotlib", "Plotting J over time", "eval") from error
    figure = Figure(figsize=(8, 3.2), layout="constrained")
    axes = figure.add_subplot()
    count = len(scores.frames)
    axes.axvspan(int(0.75 * count), max(count - 1, 1), color="0.93", label="last quarter (J_tr)")
    for ident, row in zip(scores.ids, scores.j, strict=True):
        colour = "#" + bytes(PALETTE[ident].tolist()).hex()
        axes.plot(range(count - len(row), count), row, color=colour, linewidth=1.4, label=f"object {ident}")
    ticks = sorted({round(i * (count - 1) / 6) for i in range(7)})
    axes.set_xticks(ticks, [scores.frames[i] for i in ticks])
    axes.set(ylim=(-0.02, 1.02), ylabel="J", xlabel="frame")
    axes.set_title(f"{scores.sequence}: J {scores.j_mean:.3f}, J_tr {scores.j_last_mean:.3f}")
    figure.legend(loc="outside lower center", fontsize="small", ncols=6)
    with replace_atomically(path) as temporary:
        figure.savefig(temporary, dpi=120, format="png")


def plot_report(report: Report, folder: Path) -> None:
    """Draws every scored sequence of a report to `<folder>/<sequence>.png`; the folder exists."""
    for scores in report.scores:
        if scores.frames:
            plot_sequence(scores, folder / f"{scores.sequence}.png")
