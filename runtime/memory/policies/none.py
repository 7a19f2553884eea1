"""No eviction."""

from __future__ import annotations

from ermu.runtime.memory.policy import Decision, EvictionPolicy, Evidence


class NoEviction(EvictionPolicy):
    """Every frame stays: memory grows with the video."""

    help = "nothing leaves: memory grows with the video"
    bounded = False

    def decide(self, evidence: Evidence, *, full: bool) -> Decision:
        """See `EvictionPolicy.decide`."""
        return Decision()


PLUGIN = NoEviction
