"""What an eviction policy is: asked before every append which memory frame leaves."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ermu.errors import StateError
from ermu.runtime.bundle.parts import ScoreInfo
from ermu.types import Vector


class Evidence(ABC):
    """What a policy may ask about the bank as the current frame saw it; vectors are in slot order.

    Nothing is computed before it is asked for.

    Attributes:
        slot_frames: The frame that each of the T slots in use holds.
    """

    slot_frames: list[int]

    @property
    def order(self) -> npt.NDArray[np.intp]:
        """Slots from the oldest frame to the newest, (T,)."""
        return np.argsort(self.slot_frames)

    @property
    def candidates(self) -> npt.NDArray[np.intp]:
        """Slots whose frames may leave, from the oldest to the newest: all but the first frame's."""
        return self.order[1:]

    @abstractmethod
    def relevance(self) -> Vector:
        """(T,) float64, sums to 1 (`docs/spec/ermu.md`, step 1)."""

    @abstractmethod
    def redundancy(self) -> Vector:
        """(T,) float64, rounded to 4 decimals (step 3); only for a policy that `needs_redundancy`."""


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
    """Decides for one memory bank, and keeps what it needs between calls.

    A policy is a subclass in a module of its own (`ermu.runtime.memory.policies`), or in another package.

    Args:
        constants: Of the network's score.

    Attributes:
        help: In a line.
        bounded: Whether the bank stops at the capacity; an unbounded one grows with the video.
        needs_redundancy: Whether `Evidence.redundancy` may be asked for.
        max_capacity: The largest bank that it can decide for; None, any.
    """

    help: str
    bounded: bool = True
    needs_redundancy: bool = False
    max_capacity: int | None = None

    def __init__(self, constants: ScoreInfo) -> None:
        self.constants = constants

    @abstractmethod
    def decide(self, evidence: Evidence, *, full: bool) -> Decision:
        """Which slot to overwrite.

        Args:
            evidence: About the T frames held before the append.
            full: Whether a frame has to leave; the first frame never does.
        """

    def state(self) -> dict[str, Any]:
        """What it keeps between calls, ready for JSON: `resume` of a fresh one takes it.

        Raises:
            StateError: it keeps something, and does not say how to save it.
        """
        kept = sorted(set(vars(self)) - {"constants"})
        if kept:
            raise StateError(
                f"The policy {type(self).__name__} cannot be saved: it keeps {', '.join(kept)}.",
                fix="define `state` and `resume` in it",
            )
        return {}

    def resume(self, state: dict[str, Any]) -> None:
        """Goes on where another one of its kind was.

        Args:
            state: Of that one.

        Raises:
            KeyError, TypeError, ValueError: it is not such a policy's.
        """
        return
