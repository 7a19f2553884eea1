"""Evenly over the past: a rule that looks at nothing but the clock."""

from __future__ import annotations

import numpy as np

from ermu.runtime.memory.policy import Decision, EvictionPolicy, Evidence


class SpreadPolicy(EvictionPolicy):
    """The frame that stands closest between its neighbours in time leaves, the first (annotated) one aside.

    Behind the newest frame held there is none, so that what counts of it is how long after the last it came.
    """

    help = "what is held spreads over the whole past"

    def decide(self, evidence: Evidence, *, full: bool) -> Decision:
        """See `EvictionPolicy.decide`."""
        if not full:
            return Decision()
        order = evidence.order
        frames = np.asarray(evidence.slot_frames)[order]
        room = np.append(frames[2:], frames[-1]) - frames[:-1]  # of every frame but the first
        return Decision(int(order[1 + np.argmin(room)]))


PLUGIN = SpreadPolicy
