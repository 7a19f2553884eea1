"""Which memory frame of an object leaves."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Any

from ermu.devices.tensor import DeviceTensor
from ermu.kernels.base.scoring import KeyGram
from ermu.registries import POLICIES
from ermu.runtime.backends.base import Backend
from ermu.runtime.bundle.parts import ScoreInfo
from ermu.runtime.memory.objects.bank import ObjectBank
from ermu.runtime.memory.objects.evidence import ObjectEvidence, Scorer
from ermu.runtime.memory.objects.graphs import ObjectGraphs, Tensors
from ermu.runtime.memory.objects.options import is_scored
from ermu.runtime.memory.options import MemoryOptions
from ermu.runtime.memory.policy import Decision, EvictionPolicy

# Nobody has published any for these networks, nor tuned them: those of DeAOT (docs/spec/ermu.md), and as AOT
# scores, when a frame has to leave.
CONSTANTS = ScoreInfo(
    relevance_weight=2.0,
    redundancy_slope=7.0,
    redundancy_centre=0.25,
    momentum=0.8,
    update_mean_at="eviction",
)


class Chooser:
    """A policy for one object's bank, and what it keeps.

    Args:
        scorer: For what the policy asks.
        policy: Fresh, for this object alone.
    """

    def __init__(self, scorer: Scorer, policy: EvictionPolicy) -> None:
        self._scorer, self._policy = scorer, policy
        self._gram: KeyGram | None = None
        self._known: list[int] = []

    def decide(self, bank: ObjectBank, features: Tensors, logits: DeviceTensor, frame: int) -> Decision:
        """Asks the policy, before a frame without a prompt goes into the bank.

        Args:
            bank: The object's.
            features: Of the frame.
            logits: Of the object on it, h4 x w4.
            frame: Its number.
        """
        if self._gram is None:
            self._gram = self._scorer.new_gram(bank)
        evidence = ObjectEvidence(self._scorer, bank, (features, logits, frame), self._gram, self._known)
        return self._policy.decide(evidence, full=bank.full)

    def copied(self) -> Chooser:
        """Another with the same policy, as it is."""
        return Chooser(self._scorer, deepcopy(self._policy))

    def state(self) -> dict[str, Any]:
        """Of the policy, ready for JSON."""
        return self._policy.state()

    def resume(self, state: dict[str, Any]) -> None:
        """Goes on where another was.

        Raises:
            ValueError: that was no such policy's.
        """
        try:
            self._policy.resume(state)
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError("what its policy keeps is another's") from error


def choosers(backend: Backend, graphs: ObjectGraphs, options: MemoryOptions) -> Callable[[], Chooser | None]:
    """Makes one an object, which share what they compute with; None where the oldest frame leaves.

    Raises:
        OptionError: the kernels cannot score this network.
        BackendError: there is not enough memory.
    """
    if not is_scored(options.policy):
        return lambda: None
    made = POLICIES.get(options.policy)
    scorer = Scorer(backend, graphs, graphs.limits(options.capacity).memory_room)
    return lambda: Chooser(scorer, made(CONSTANTS))
