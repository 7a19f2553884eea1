"""Relevance minus redundancy: the frame that is seen little and says what others say leaves."""

from __future__ import annotations

import numpy as np

from ermu.runtime.memory.policy import Evidence
from ermu.runtime.memory.scored_policy import ScoredPolicy
from ermu.types import Vector


class ErmuPolicy(ScoredPolicy):
    """s = a * relevance + 1 / (1 + exp(b * (redundancy - c))) (`docs/spec/ermu.md`)."""

    help = "relevance minus redundancy (ERMU)"
    needs_redundancy = True

    def scores(self, mean: Vector, evidence: Evidence) -> tuple[Vector, Vector | None]:
        """See `ScoredPolicy.scores`."""
        a, b, c = (
            self.constants.relevance_weight,
            self.constants.redundancy_slope,
            self.constants.redundancy_centre,
        )
        redundancy = evidence.redundancy()
        return a * mean + 1.0 / (1.0 + np.exp(b * (redundancy - c))), redundancy


PLUGIN = ErmuPolicy
