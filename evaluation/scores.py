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
    boundary_measures,
    last_quarter,
    object_count,
    region_similarities,
    statistics,
)
from ermu.evaluation.sequences import VideoSequence
from ermu.runtime.files import replace_atomically
from ermu.types import LabelMap


@dataclass(frozen=True)
class SequenceScores:
    """What a sequence scored.

    Attributes:
        sequence: Its name.
        frames: Names of the scored frames.
        j: objects x frames, region similarity.
        f: The same for the boundary measure, empty where the dataset has none.
        frames_run: Frames that were run through, 0 where label maps existed.
        seconds: Time of the whole sequence, reading and writing included.
        ms_per_frame: Mean time of the predictor, 0 where label maps existed.
        memory_frames: Most frames held in memory.
    """

    sequence: str
    frames: tuple[str, ...]
    j: tuple[tuple[float, ...], ...]
    f: tuple[tuple[float, ...], ...] = ()
    frames_run: int = 0
    seconds: float = 0.0
    ms_per_frame: float = 0.0
    memory_frames: int = 0

    @property
    def objects(self) -> int:
        """Number of objects; ids are 1 to this number."""
        return len(self.j)

    @property
    def j_mean(self) -> float:
        """J over all frames and objects."""
        return float(np.mean(self.j))

    @property
    def j_last_mean(self) -> float:
        """J_tr: J over the last quarter of the frames and all objects."""
        return float(np.mean([last_quarter(np.asarray(row)).mean() for row in self.j]))

    @property
    def f_mean(self) -> float:
        """F over all frames and objects; only where the dataset has the measure."""
        return float(np.mean(self.f))

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
            return cls(frames=tuple(content.pop("frames")), j=j, f=f, **content)
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
    _j: list[NDArray[np.float64]] = field(default_factory=list)
    _f: list[NDArray[np.float64]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._expected = list(self.sequence.scored)
        self._objects = object_count(self.sequence.annotation(self.sequence.annotated[0]))
        if self._objects == 0:
            raise DatasetError(
                f"The first annotation of sequence {self.sequence.name} holds no object.",
                expected="at least one pixel with an id from 1 to 254",
            )

    def add(self, name: str, result: LabelMap) -> None:
        """Scores a frame's label map if the frame counts; frames come in order.

        Raises:
            DatasetError: The label map's size is not the annotation's.
        """
        if len(self._j) == len(self._expected) or name != self._expected[len(self._j)]:
            return
        annotation = self.sequence.annotation(name)
        if annotation.shape != result.shape:
            raise DatasetError(
                f"The result for frame {name} of sequence {self.sequence.name} is "
                f"{result.shape[1]}x{result.shape[0]}.",
                expected=f"{annotation.shape[1]}x{annotation.shape[0]}, the size of the annotation",
            )
        self._j.append(region_similarities(annotation, result, self._objects))
        if self.boundary:
            self._f.append(boundary_measures(annotation, result, self._objects))

    def scores(self, **run: float) -> SequenceScores:
        """Returns the scores, once every frame that counts was added.

        Args:
            run: Further fields of `SequenceScores`.

        Raises:
            DatasetError: Frames are missing.
        """
        missing = self._expected[len(self._j) :]
        if missing:
            raise DatasetError(
                f"Sequence {self.sequence.name} has no result for {len(missing)} of {len(self._expected)} "
                f"scored frames, first {missing[0]}.",
                expected="a label map for every annotated frame but the first and the last",
            )
        rows = [tuple(tuple(row) for row in np.transpose(values).tolist()) for values in (self._j, self._f)]
        return SequenceScores(self.sequence.name, tuple(self._expected), rows[0], rows[1], **run)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Report:
    """The outcome of a run.

    Attributes:
        scores: Of the sequences that could be scored, in the dataset's order.
        failures: What was wrong with the others, by sequence.
        resumed: How many of the scores were there before.
    """

    scores: tuple[SequenceScores, ...]
    failures: dict[str, str]
    resumed: int = 0

    @property
    def figures(self) -> dict[str, float]:
        """The global figures, by column: means over all objects of all sequences (`docs/spec/evaluation.md`).

        Raises:
            DatasetError: No sequence could be scored.
        """
        if not self.scores:
            raise DatasetError(
                "No sequence could be scored: " + "; ".join(f"{k}: {v}" for k, v in self.failures.items())
            )
        j = [np.asarray(row) for scores in self.scores for row in scores.j]
        figures = {**_columns("J", j), **_columns("J_last", [last_quarter(row) for row in j])}
        f = [np.asarray(row) for scores in self.scores for row in scores.f]
        if f:
            figures |= _columns("F", f)
            figures["J&F-Mean"] = (figures["J-Mean"] + figures["F-Mean"]) / 2
        return figures

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
