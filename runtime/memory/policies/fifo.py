"""First in, first out."""

from __future__ import annotations

from ermu.runtime.memory.policy import Decision, EvictionPolicy, Evidence


class FifoPolicy(EvictionPolicy):
    """The oldest frame leaves, the first (annotated) one aside."""

    help = "the oldest frame leaves, the labelled one aside"

    def decide(self, evidence: Evidence, *, full: bool) -> Decision:
        """See `EvictionPolicy.decide`."""
        return Decision(int(evidence.order[1]) if full else None)


PLUGIN = FifoPolicy
