"""Relevance plus an exploration bonus: the policy of RMem, which ERMU replaces."""

from __future__ import annotations

from math import log
from typing import Any

import numpy as np

from ermu.runtime.bundle.parts import ScoreInfo
from ermu.runtime.memory.policy import Evidence
from ermu.runtime.memory.scored_policy import ScoredPolicy, by_frame
from ermu.types import Vector


class RmemPolicy(ScoredPolicy):
    """s = relevance + 1.5 * sqrt(ln(sum N) / (N + 8)) (`docs/spec/ermu.md`).

    N is the number of scorings that a frame has been through, the one at which it was appended included, and
    T for the first frame.
    """

    help = "relevance plus a bonus for frames scored seldom (RMem)"

    def __init__(self, constants: ScoreInfo) -> None:
        super().__init__(constants)
        self._scorings: dict[int, int] = {}

    def note_lone(self, frame: int) -> None:
        """See `ScoredPolicy.note_lone`."""
        super().note_lone(frame)
        self._scorings = {frame: 1}

    def state(self) -> dict[str, Any]:
        """See `EvictionPolicy.state`: the scorings as well."""
        return {**super().state(), "scorings": by_frame(self._scorings)}

    def resume(self, state: dict[str, Any]) -> None:
        """See `EvictionPolicy.resume`."""
        super().resume(state)
        self._scorings = {int(frame): int(count) for frame, count in state["scorings"]}

    def scores(self, mean: Vector, evidence: Evidence) -> tuple[Vector, Vector | None]:
        """See `ScoredPolicy.scores`."""
        frames = evidence.slot_frames
        # Once there is a scoring, every append is one: a frame not seen yet came with the latest.
        before = 1 if self._scorings else 0
        self._scorings = {frame: self._scorings.get(frame, before) + 1 for frame in frames}
        counts = np.array([self._scorings[frame] for frame in frames])
        counts[evidence.order[0]] = len(frames)
        return mean + 1.5 * np.sqrt(log(counts.sum()) / (counts + 8)), None


PLUGIN = RmemPolicy
