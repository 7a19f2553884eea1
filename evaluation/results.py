"""Result files: the CSV tables of VOST and DAVIS, to six decimals, and label maps that exist already."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from ermu.evaluation.metrics import last_quarter
from ermu.evaluation.scores import Report, SequenceScorer, SequenceScores
from ermu.evaluation.sequences import VideoSequence, read_annotation
from ermu.runtime.files import replace_atomically


def write_tables(report: Report, folder: Path, split: str) -> None:
    """Writes `global_results-<split>.csv` and `per-sequence_results-<split>.csv`, if there are figures.

    An object without a scored frame has a row with empty cells.

    Args:
        report: Of a run.
        folder: Exists.
        split: Name of the split.

    Raises:
        DatasetError: No sequence could be scored.
        SinkError: A table cannot be written.
    """
    figures = report.figures
    if not figures:
        return
    write_csv(folder / f"global_results-{split}.csv", list(figures), [list(figures.values())])
    columns = ["Sequence", "J-Mean", "J_last-Mean", *(["F-Mean"] if "F-Mean" in figures else [])]
    rows = [row for scores in report.scores for row in _object_rows(scores, "F-Mean" in figures)]
    write_csv(folder / f"per-sequence_results-{split}.csv", columns, rows)


def _object_rows(scores: SequenceScores, boundary: bool) -> Iterable[list[str | float]]:
    for n, (i, row) in enumerate(zip(scores.ids, scores.j, strict=True)):
        measured = [np.asarray(row), last_quarter(np.asarray(row))]
        measured += [np.asarray(scores.f[n])] if boundary else []
        yield [f"{scores.sequence}_{i}", *(float(m.mean()) if m.size else "" for m in measured)]


def write_csv(path: Path, columns: Sequence[str], rows: Iterable[Sequence[str | float]]) -> None:
    """Writes a table atomically; floats get six decimals.

    Raises:
        SinkError: It cannot be written.
    """
    with (
        replace_atomically(path) as temporary,  # names that are no UTF-8 keep their bytes
        temporary.open("w", newline="", encoding="utf-8", errors="surrogateescape") as file,
    ):
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        for row in rows:
            writer.writerow([f"{cell:.6f}" if isinstance(cell, float) else cell for cell in row])


def score_results(sequence: VideoSequence, folder: Path, *, boundary: bool) -> SequenceScores:
    """Scores label maps that exist already: `<folder>/<sequence>/<frame>.png`.

    Raises:
        DatasetError: The sequence is unusable, or a result is missing, unreadable or of another size.
    """
    scorer = SequenceScorer(sequence, boundary)
    for name in sequence.scored:
        path = folder / sequence.name / f"{name}.png"
        if path.is_file():
            scorer.add(name, read_annotation(path))
    return scorer.scores()
