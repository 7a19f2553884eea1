"""The training log: a CSV file that a resumed training goes on with as if it had never stopped."""

from __future__ import annotations

import csv
from pathlib import Path

COLUMNS = (
    "step",
    "loss",
    "frames",
    "reference",
    "jaccard",
    "rate",
    "seconds",
    "validation_j",
    "validation_j_last",
)


class TrainingLog:
    """Appends rows to a CSV file, which the first of them begins: a training that never ran leaves none.

    Args:
        path: The file; rows of steps beyond those done, left by a killed run, are dropped.
        steps_done: Steps that the training has done.
    """

    def __init__(self, path: Path, steps_done: int) -> None:
        self._path, self._steps_done, self._begun = path, steps_done, False

    def write(self, row: dict[str, float]) -> None:
        """Adds a row; columns that it lacks stay empty."""
        if not self._begun:
            self._begin()
        with self._path.open("a", newline="", encoding="utf-8") as file:
            values = {key: value if key == "step" else f"{value:.6g}" for key, value in row.items()}
            csv.DictWriter(file, COLUMNS).writerow(values)

    def _begin(self) -> None:
        path, steps = self._path, self._steps_done
        kept = read_log(path, up_to=steps) if steps and path.is_file() else []
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(path.name + ".tmp")
        with temporary.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, COLUMNS)
            writer.writeheader()
            writer.writerows(kept)
        temporary.replace(path)
        self._begun = True


def read_log(path: Path, up_to: int | None = None) -> list[dict[str, str]]:
    """The rows of a log, those after step `up_to` left out if that is given."""
    with path.open(newline="", encoding="utf-8") as file:
        return [row for row in csv.DictReader(file) if up_to is None or int(row["step"]) <= up_to]
