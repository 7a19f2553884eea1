"""The picture of a training log: losses, J in training and J in validation over the steps."""

from __future__ import annotations

from pathlib import Path

from ermu.errors import DependencyError
from ermu.training.log import read_log

_SMOOTHED_ROWS = 5


def plot_curve(log: Path, picture: Path) -> None:
    """Draws a log as PNG.

    Args:
        log: `log.csv` of a training.
        picture: Target file.

    Raises:
        DependencyError: matplotlib is not installed.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise DependencyError("matplotlib", "The picture of a training log", "train") from error
    rows = read_log(log)
    steps = [int(row["step"]) for row in rows]
    figure = Figure(figsize=(9, 4), layout="constrained")
    FigureCanvasAgg(figure)
    losses, scores = figure.subplots(1, 2)
    for name, label in (("frames", "propagated frames"), ("reference", "reference frame")):
        losses.plot(steps, _smoothed([float(row[name]) for row in rows]), label=label)
    losses.set(xlabel="step", ylabel="loss", ylim=(0, None))
    scores.plot(steps, _smoothed([float(row["jaccard"]) for row in rows]), label="training clips, last frame")
    for name, label in (
        ("validation_j", "validation, J"),
        ("validation_j_last", "validation, J of the last quarter"),
    ):
        measured = [(int(row["step"]), float(row[name])) for row in rows if row[name]]
        scores.plot(*zip(*measured, strict=True) if measured else ([], []), marker="o", label=label)
    scores.set(xlabel="step", ylabel="J", ylim=(0, 1))
    for axes in (losses, scores):
        axes.grid(alpha=0.3)
        axes.legend()
    figure.savefig(picture, dpi=110)


def _smoothed(values: list[float]) -> list[float]:
    """Means over the last few rows."""
    windows = (values[max(0, i - _SMOOTHED_ROWS + 1) : i + 1] for i in range(len(values)))
    return [sum(window) / len(window) for window in windows]
