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
    """Appends rows to a CSV file.

    Args:
        path: The file; rows of steps beyond those done, left by a killed run, are dropped.
        steps_done: Steps that the training has done.
    """

    def __init__(self, path: Path, steps_done: int) -> None:
        self._path = path
        kept = read_log(path, up_to=steps_done) if steps_done and path.is_file() else []
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(path.name + ".tmp")
        with temporary.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, COLUMNS)
            writer.writeheader()
            writer.writerows(kept)
        temporary.replace(path)

    def write(self, row: dict[str, float]) -> None:
        """Adds a row; columns that it lacks stay empty."""
        with self._path.open("a", newline="", encoding="utf-8") as file:
            values = {key: value if key == "step" else f"{value:.6g}" for key, value in row.items()}
            csv.DictWriter(file, COLUMNS).writerow(values)


def read_log(path: Path, up_to: int | None = None) -> list[dict[str, str]]:
    """The rows of a log, those after step `up_to` left out if that is given."""
    with path.open(newline="", encoding="utf-8") as file:
        return [row for row in csv.DictReader(file) if up_to is None or int(row["step"]) <= up_to]
