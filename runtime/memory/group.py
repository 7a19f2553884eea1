"""A group: up to ten objects that began on the same frame, with memories of their own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ermu.devices.tensor import DeviceTensor
from ermu.kernels.base.scoring import Scoring
from ermu.runtime.images.labels import GROUP_SIZE
from ermu.runtime.memory.bank import BankContents, MemoryBank
from ermu.runtime.memory.options import MemoryOptions
from ermu.runtime.memory.policy import Decision, EvictionPolicy
from ermu.runtime.memory.update import MemoryUpdate
from ermu.types import Array


@dataclass(frozen=True)
class GroupMemory:
    """All that a group remembers at a time; the group goes on with others, so nothing changes it."""

    bank: MemoryBank
    previous: dict[str, DeviceTensor]
    policy: EvictionPolicy
    trusted: frozenset[int]
    last_append: float


@dataclass(frozen=True)
class SavedGroup:
    """A group on the host: another one goes on with it as if it had never stopped.

    Attributes:
        number: Its own.
        channel_ids: Of its ten channels, the caller's ids; None for a channel that no object has, or no more.
        began: Frame of its first memory.
        untouched: Whether no other has come since.
        trusted: Frames that somebody has labelled.
        last_append: When a frame went into the bank, in the units of the gap.
        policy: State of its policy.
        tracks_redundancy: Whether its bank does.
        previous: The previous frame's entry, by name, h x w x C.
        bank: Makes what the bank holds, in any thread.
    """

    number: int
    channel_ids: list[int | None]
    began: int
    untouched: bool
    trusted: list[int]
    last_append: float
    policy: dict[str, Any]
    tracks_redundancy: bool
    previous: dict[str, Array]
    bank: Callable[[], BankContents]


class ObjectGroup:
    """What is known of its objects; the graphs are run by its cohort (`ermu.runtime.memory.cohorts.cohort`).

    Args:
        number: Of the group.
        ids: The caller's ids, at most ten; object i has identity channel i + 1.
        policy: Fresh, for this group alone.
        options: Of its memory.

    Attributes:
        bank: Its memory bank, which the cohort gives it.
        policy: As above.
        options: As above.
        channel_ids: Of its ten channels, the caller's ids; None for a channel that no object has, or no more.
        trusted: Frames that somebody has labelled.
        last_append: When a frame went into the bank, in the units of the gap.
        began: Frame of the first memory.
        untouched: Whether no other has come since.
    """

    bank: MemoryBank

    def __init__(
        self, number: int, ids: Sequence[int], policy: EvictionPolicy, options: MemoryOptions
    ) -> None:
        self.number, self.policy, self.options = number, policy, options
        self.channel_ids: list[int | None] = [*ids, *[None] * (GROUP_SIZE - len(ids))]
        self.trusted: frozenset[int] = frozenset()
        self.last_append = 0.0
        self.began, self.untouched = -1, False

    @property
    def ids(self) -> list[int]:
        """The caller's ids of the objects still followed."""
        return [i for i in self.channel_ids if i is not None]

    @property
    def active(self) -> npt.NDArray[np.bool_]:
        """Channels in use, background first: 11."""
        return np.array([True, *(i is not None or self.options.all_identities for i in self.channel_ids)])

    def move_clock(self, seconds: float) -> None:
        """Moves the time of its latest append: the stream's axis has begun anew."""
        self.last_append += seconds

    def remove(self, object_id: int) -> None:
        """Silences an object's channel; it is not used again."""
        self.channel_ids[self.channel_ids.index(object_id)] = None

    def switch_policy(self, policy: EvictionPolicy, scoring: Scoring) -> None:
        """Changes the policy; what the old one had gathered is forgotten."""
        self.policy = policy
        if policy.needs_redundancy:
            self.bank.track_redundancy(scoring)

    def due(self, clock: float, interval: float) -> bool:
        """Whether the frame at `clock` belongs in the memory bank."""
        return clock - self.last_append >= interval - 1e-6

    def unchanged(self) -> MemoryUpdate:
        """The bank as it is, on a frame that was not appended."""
        return MemoryUpdate(self.number, self.ids, self.bank.frames, None, Decision())
