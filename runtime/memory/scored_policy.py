"""Policies that give each memory frame a score from the moving mean of its relevance."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from ermu.errors import KernelError
from ermu.kernels.base.scoring import MAX_SLOTS
from ermu.runtime.bundle.parts import ScoreInfo
from ermu.runtime.memory.policy import Decision, EvictionPolicy, Evidence
from ermu.types import Vector


class ScoredPolicy(EvictionPolicy):
    """The lowest score leaves. The mean runs by frame number over the latest scoring only, as published."""

    max_capacity = MAX_SLOTS

    def __init__(self, constants: ScoreInfo) -> None:
        super().__init__(constants)
        self._mean: dict[int, float] = {}

    @abstractmethod
    def scores(self, mean: Vector, evidence: Evidence) -> tuple[Vector, Vector | None]:
        """Scores and, where it was asked for, redundancy, both (T,) in slot order.

        Args:
            mean: (T,) float64 moving mean of the relevance, slot order.
            evidence: What else may be asked.
        """

    def note_lone(self, frame: int) -> None:
        """A scoring of one frame alone: its relevance is 1, and it never leaves."""
        self._mean = {frame: 1.0}

    def state(self) -> dict[str, Any]:
        """See `EvictionPolicy.state`: the moving means, by frame."""
        return {"mean": by_frame(self._mean)}

    def resume(self, state: dict[str, Any]) -> None:
        """See `EvictionPolicy.resume`."""
        self._mean = {int(frame): float(mean) for frame, mean in state["mean"]}

    def decide(self, evidence: Evidence, *, full: bool) -> Decision:
        """See `EvictionPolicy.decide`."""
        if not full and self.constants.update_mean_at == "eviction":
            return Decision()
        if len(evidence.slot_frames) == 1:
            self.note_lone(evidence.slot_frames[0])
            return Decision()
        decision = self._scored(evidence)
        return decision if full else replace(decision, slot=None)

    def _scored(self, evidence: Evidence) -> Decision:
        relevance, order = evidence.relevance(), evidence.order
        mean = self._moved(relevance, evidence.slot_frames)
        scores, redundancy = self.scores(mean, evidence)
        if not np.isfinite(scores).all():
            raise KernelError(
                "A memory frame's score is not a number.", fix="if the network runs in fp16, try fp32"
            )
        candidates = evidence.candidates
        return Decision(
            slot=int(candidates[np.argmin(scores[candidates])]),
            relevance=relevance[order],
            relevance_mean=mean[order],
            redundancy=None if redundancy is None else redundancy[order],
            scores=scores[order],
        )

    def _moved(self, relevance: Vector, frames: list[int]) -> Vector:
        """m * new + (1 - m) * old; a frame that was not scored last time begins with its relevance."""
        share = self.constants.momentum
        before = np.array([self._mean.get(frame, np.nan) for frame in frames])
        mean = np.where(np.isnan(before), relevance, share * relevance + (1.0 - share) * before)
        self._mean = dict(zip(frames, mean.tolist(), strict=True))
        return mean


def by_frame(values: Mapping[int, float]) -> list[tuple[int, float]]:
    """A number a frame, as JSON has it: its keys would be text."""
    return list(values.items())
