"""Eviction policies: which memory frame leaves when the bank is full."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from math import log, sqrt
from typing import Protocol

import numpy as np
import numpy.typing as npt

from ermu.errors import ErmuError
from ermu.kernels.base.scoring import Kernels, ScoreConstants

Vector = npt.NDArray[np.floating]
POLICIES = ("ermu", "rmem", "fifo", "none")


class Evidence(Protocol):
    """What a policy may ask about the bank as the current frame saw it; vectors are in slot order."""

    @property
    def slot_frames(self) -> list[int]: ...

    @property
    def order(self) -> npt.NDArray[np.int32]: ...

    def relevance(self) -> Vector: ...

    def redundancy(self) -> Vector: ...


@dataclass(frozen=True)
class Decision:
    """A policy's answer; vectors run from the oldest frame to the newest and are None where not scored.

    Attributes:
        slot: The slot to overwrite, or None to keep every frame.
        relevance: This frame's relevance, summing to 1.
        relevance_mean: Its moving mean.
        redundancy: Rounded to 4 decimals.
        scores: The lowest one leaves, the first frame aside.
    """

    slot: int | None = None
    relevance: Vector | None = None
    relevance_mean: Vector | None = None
    redundancy: Vector | None = None
    scores: Vector | None = None


class EvictionPolicy(ABC):
    """Asked once before every append to a memory bank; keeps what it needs between calls."""

    bounded = True
    needs_redundancy = False

    @abstractmethod
    def decide(self, evidence: Evidence, *, full: bool) -> Decision:
        """Which slot to overwrite.

        Args:
            evidence: About the T frames held before the append; relevance is computed only if asked for.
            full: Whether a frame has to leave.
        """


class KeepAll(EvictionPolicy):
    """Never evicts: memory grows with the video."""

    bounded = False

    def decide(self, evidence: Evidence, *, full: bool) -> Decision:
        return Decision()


class Fifo(EvictionPolicy):
    """The oldest frame leaves, the first (annotated) one aside."""

    def decide(self, evidence: Evidence, *, full: bool) -> Decision:
        return Decision(int(evidence.order[1]) if full else None)


class _Scored(EvictionPolicy):
    """Keeps the moving mean of the relevance, by frame number, of the latest scoring only."""

    def __init__(self, kernels: Kernels, constants: ScoreConstants, *, every_append: bool) -> None:
        self.kernels, self.constants, self.every_append = kernels, constants, every_append
        self._mean: dict[int, float] = {}

    def decide(self, evidence: Evidence, *, full: bool) -> Decision:
        if not (full or self.every_append):
            return Decision()
        if len(evidence.slot_frames) == 1:  # a lone frame's relevance is 1 and it never leaves
            self._mean = {evidence.slot_frames[0]: 1.0}
            return Decision()
        decision = self._score(evidence)
        return decision if full else replace(decision, slot=None)

    def _previous(self, evidence: Evidence) -> Vector:
        return np.array([self._mean.get(frame, np.nan) for frame in evidence.slot_frames])

    def _remember(self, evidence: Evidence, mean: Vector) -> None:
        self._mean = dict(zip(evidence.slot_frames, mean.tolist(), strict=True))

    @abstractmethod
    def _score(self, evidence: Evidence) -> Decision: ...


class Ermu(_Scored):
    """Relevance minus redundancy (`spec/ermu.md`).

    Args:
        kernels: Do the arithmetic on the device that holds the bank.
        constants: Of the network family.
        every_append: Update the moving mean at every append (DeAOT), not only when a frame leaves (AOT).
    """

    needs_redundancy = True

    def _score(self, evidence: Evidence) -> Decision:
        order, relevance, redundancy = evidence.order, evidence.relevance(), evidence.redundancy()
        chosen = self.kernels.choose_eviction(
            relevance, redundancy, self._previous(evidence), order, self.constants
        )
        self._remember(evidence, chosen.relevance)
        return Decision(
            chosen.slot, relevance[order], chosen.relevance[order], redundancy[order], chosen.scores[order]
        )


class Rmem(_Scored):
    """Relevance plus an exploration bonus for frames scored seldom: the policy that ERMU replaces.

    Score = moving mean + 1.5 * sqrt(ln(sum N) / (N + 8)), N the number of scorings a frame has been
    through and N = T for the first frame.
    """

    def __init__(self, kernels: Kernels, constants: ScoreConstants, *, every_append: bool) -> None:
        super().__init__(kernels, constants, every_append=every_append)
        self._scorings: dict[int, int] = {}

    def _score(self, evidence: Evidence) -> Decision:
        order, relevance, previous = evidence.order, evidence.relevance(), self._previous(evidence)
        keep = self.constants.momentum
        mean = np.where(np.isnan(previous), relevance, keep * relevance + (1 - keep) * previous)
        self._remember(evidence, mean)
        self._scorings = {frame: self._scorings.get(frame, 0) + 1 for frame in evidence.slot_frames}
        counts = [self._scorings[evidence.slot_frames[slot]] for slot in order]
        counts[0] = len(counts)
        bonus = [1.5 * sqrt(log(sum(counts)) / (n + 8)) for n in counts]
        scores = mean[order] + np.array(bonus)
        return Decision(int(order[1 + np.argmin(scores[1:])]), relevance[order], mean[order], None, scores)


def make_policy(
    name: str, kernels: Kernels, constants: ScoreConstants, *, every_append: bool
) -> EvictionPolicy:
    """A fresh policy by name: ermu, rmem, fifo or none.

    Raises:
        ErmuError: no policy has that name.
    """
    if name in ("ermu", "rmem"):
        return (Ermu if name == "ermu" else Rmem)(kernels, constants, every_append=every_append)
    if name in POLICIES:
        return Fifo() if name == "fifo" else KeepAll()
    raise ErmuError(f"Unknown policy '{name}'.", expected=f"one of {', '.join(POLICIES)}")
