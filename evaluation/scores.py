"""Scores of a sequence, kept as a file so that nothing is scored twice, and the figures made of them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ermu.errors import DatasetError
from ermu.evaluation.metrics import (
    boundary_measure,
    last_quarter,
    region_similarities,
    statistics,
)
from ermu.evaluation.sequences import VideoSequence
from ermu.runtime.files import replace_atomically
from ermu.runtime.images.labels import object_ids
from ermu.types import LabelMap


@dataclass(frozen=True)
class SequenceScores:
    """What a sequence scored.

    Attributes:
        sequence: Its name.
        frames: Names of the scored frames.
        j: A row an object, region similarity over the scored frames after its prompt; an object that appears
            too late has none.
        f: The same for the boundary measure, empty where the dataset has none.
        ids: The objects' ids, in the order of the rows.
        unscored: Why nothing could be scored; empty where something could.
        left_out: Ids that the annotations have and the measure does not count.
        frames_run: Frames that were run through, 0 where label maps existed.
        seconds: Time of the whole sequence, reading and writing included.
        ms_per_frame: Mean time of the predictor, 0 where label maps existed.
        memory_frames: Most frames held in memory.
    """

    sequence: str
    frames: tuple[str, ...]
    j: tuple[tuple[float, ...], ...]
    f: tuple[tuple[float, ...], ...] = ()
    ids: tuple[int, ...] = ()
    unscored: str = ""
    left_out: tuple[int, ...] = ()
    frames_run: int = 0
    seconds: float = 0.0
    ms_per_frame: float = 0.0
    memory_frames: int = 0

    @property
    def objects(self) -> int:
        """Number of objects."""
        return len(self.ids)

    @property
    def j_mean(self) -> float:
        """J over all frames and objects; NaN where nothing is scored."""
        return _mean([np.asarray(row) for row in self.j])

    @property
    def j_last_mean(self) -> float:
        """J_tr: J over the last quarter of the frames and all objects."""
        return _mean([last_quarter(np.asarray(row)) for row in self.j])

    @property
    def f_mean(self) -> float:
        """F over all frames and objects; only where the dataset has the measure."""
        return _mean([np.asarray(row) for row in self.f])

    def save(self, path: Path) -> None:
        """Writes the scores as JSON, atomically and without rounding.

        Raises:
            SinkError: They cannot be written.
        """
        with replace_atomically(path) as temporary:
            temporary.write_text(json.dumps(asdict(self)), encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> SequenceScores:
        """Reads what `save` wrote.

        Raises:
            DatasetError: The file is damaged.
        """
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            j, f = (tuple(tuple(row) for row in content.pop(key)) for key in ("j", "f"))
            frames, ids, left_out = (tuple(content.pop(key)) for key in ("frames", "ids", "left_out"))
            return cls(frames=frames, j=j, f=f, ids=ids, left_out=left_out, **content)
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise DatasetError(
                f"The scores in {path} are damaged.", fix=f"delete {path} and resume"
            ) from error


@dataclass
class SequenceScorer:
    """Collects a sequence's scores frame by frame, in constant memory.

    Args:
        sequence: Gives the annotations.
        boundary: Whether to measure F too.

    Raises:
        DatasetError: The sequence has too few annotations, or its first holds no object.
    """

    sequence: VideoSequence
    boundary: bool = False
    _scored: int = 0
    _left_out: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._expected = list(self.sequence.scored)
        self._ids = self.sequence.ids
        order = {name: i for i, name in enumerate(self.sequence.annotated)}
        self._since = {i: order[name] for name, ids in self.sequence.arrivals.items() for i in ids}
        self._order = order
        self._j: dict[int, list[float]] = {i: [] for i in self._ids}
        self._f: dict[int, list[float]] = {i: [] for i in self._ids}

    def add(self, name: str, result: LabelMap) -> None:
        """Scores a frame's label map if the frame counts; frames come in order.

        Raises:
            DatasetError: The label map's size is not the annotation's.
        """
        if self._scored == len(self._expected) or name != self._expected[self._scored]:
            return
        result = self.sequence.comparable(result)
        for annotation, ids in self.sequence.layers(name):
            if annotation.shape != result.shape:
                raise DatasetError(
                    f"The result for frame {name} of sequence {self.sequence.name} is "
                    f"{result.shape[1]}x{result.shape[0]}.",
                    expected=f"{annotation.shape[1]}x{annotation.shape[0]}, the size of the annotation",
                )
            self._measure(annotation, result, [i for i in ids if self._since[i] < self._order[name]])
            self._left_out |= set(object_ids(annotation)) - set(self._ids)
        self._scored += 1

    def scores(self, **run: float) -> SequenceScores:
        """Returns the scores, once every frame that counts was added.

        Args:
            run: Further fields of `SequenceScores`.

        Raises:
            DatasetError: Frames are missing.
        """
        missing = self._expected[self._scored :]
        if missing:
            raise DatasetError(
                f"Sequence {self.sequence.name} has no result for {len(missing)} of {len(self._expected)} "
                f"scored frames, first {missing[0]}.",
                expected="a label map for every annotated frame but the first and the last",
            )
        j, f = (tuple(tuple(rows[i]) for i in self._ids) for rows in (self._j, self._f))
        return SequenceScores(
            self.sequence.name,
            tuple(self._expected),
            j,
            f if self.boundary else (),
            self._ids,
            self.sequence.unscored,
            tuple(sorted(self._left_out)),
            **run,  # type: ignore[arg-type]
        )

    def _measure(self, annotation: LabelMap, result: LabelMap, ids: Sequence[int]) -> None:
        """Scores the objects that have been prompted before this frame."""
        similarities = region_similarities(annotation, result, max(ids, default=0))
        for i in ids:
            self._j[i].append(float(similarities[i - 1]))
            if self.boundary:
                self._f[i].append(boundary_measure(annotation == i, result == i))


@dataclass(frozen=True)
class Report:
    """The outcome of a run.

    Attributes:
        scores: Of the sequences that were run or read, in the dataset's order.
        failures: What was wrong with the others, by sequence.
        resumed: How many of the scores were there before.
    """

    scores: tuple[SequenceScores, ...]
    failures: dict[str, str]
    resumed: int = 0

    @property
    def figures(self) -> dict[str, float]:
        """The global figures, by column: means over all objects of all sequences (`docs/spec/evaluation.md`).

        Empty where nothing but prompts is annotated.

        Raises:
            DatasetError: No sequence could be run or read.
        """
        if not self.scores:
            raise DatasetError(
                "No sequence could be scored: " + "; ".join(f"{k}: {v}" for k, v in self.failures.items())
            )
        j = [np.asarray(row) for scores in self.scores for row in scores.j if row]
        if not j:
            return {}
        figures = {**_columns("J", j), **_columns("J_last", [last_quarter(row) for row in j])}
        f = [np.asarray(row) for scores in self.scores for row in scores.f if row]
        if f:
            figures |= _columns("F", f)
            figures["J&F-Mean"] = (figures["J-Mean"] + figures["F-Mean"]) / 2
        return figures

    @property
    def remarks(self) -> list[str]:
        """What the figures leave out, a line each."""
        lines = []
        for scores in self.scores:
            late = [i for i, row in zip(scores.ids, scores.j, strict=True) if not row]
            if scores.unscored:
                lines.append(f"{scores.sequence} is not scored: {scores.unscored}")
            elif late:
                lines.append(f"{scores.sequence}: no scored frame comes after the prompt of {_objects(late)}")
            if scores.left_out:
                lines.append(
                    f"{scores.sequence}: the measure leaves out {_objects(scores.left_out)}, "
                    "which the first annotation does not have"
                )
        return lines

    @property
    def memory_frames(self) -> int:
        """Most frames held in memory in any sequence."""
        return max((scores.memory_frames for scores in self.scores), default=0)

    @property
    def ms_per_frame(self) -> float:
        """Mean time of the predictor over all frames."""
        frames = sum(scores.frames_run for scores in self.scores)
        return sum(scores.ms_per_frame * scores.frames_run for scores in self.scores) / max(frames, 1)


def _columns(measure: str, rows: Sequence[NDArray[np.float64]]) -> dict[str, float]:
    objects = [statistics(row) for row in rows]
    return {
        f"{measure}-Mean": float(np.mean([o.mean for o in objects])),
        f"{measure}-Recall": float(np.mean([o.recall for o in objects])),
        f"{measure}-Decay": float(np.mean([o.decay for o in objects])),
    }


def _mean(rows: Sequence[NDArray[np.float64]]) -> float:
    """The mean over rows of their means; rows without a value do not count, NaN where none has one."""
    means = [row.mean() for row in rows if row.size]
    return float(np.mean(means)) if means else float("nan")


def _objects(ids: Sequence[int]) -> str:
    return f"object{'s' if len(ids) > 1 else ''} {', '.join(map(str, ids))}"
