"""How memories are kept: which policy, how many frames, how often, for which identities."""

from __future__ import annotations

from dataclasses import dataclass

from ermu.errors import OptionError, PromptError, SourceError
from ermu.registries import POLICIES
from ermu.runtime.images.labels import GROUP_SIZE, MOST_GROUPS

SMALLEST_CAPACITY = 2
PRESENT, PUBLISHED = IDENTITIES = ("present", "published")


@dataclass(frozen=True)
class MemoryOptions:
    """Options of every group's memory, checked against each other.

    Attributes:
        policy: Name of an eviction policy.
        capacity: Frames that a bank may hold.
        gap: Frames between two appends.
        gap_seconds: Seconds instead, where not None.
        identities: `present` silences the identity channels of a group that no object has; `published` keeps
            all ten alive, as the published inference does.
        max_groups: Groups beyond which the youngest are joined when objects are added.

    Raises:
        OptionError: the policy is unknown, or a number is out of its range.
    """

    policy: str
    capacity: int
    gap: int
    gap_seconds: float | None = None
    identities: str = PRESENT
    max_groups: int = MOST_GROUPS

    def __post_init__(self) -> None:
        for name in ("capacity", "gap"):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool):
                raise OptionError(f"The {name} is {value!r}.", expected="a whole number of frames")
        if self.gap_seconds is not None and not isinstance(self.gap_seconds, (int, float)):
            raise OptionError(f"The gap is {self.gap_seconds!r} seconds.", expected="a number, or None")
        if self.identities not in IDENTITIES:
            raise OptionError(f"Unknown identities '{self.identities}'.", expected=" or ".join(IDENTITIES))
        largest = POLICIES.get(self.policy).max_capacity
        if self.capacity < SMALLEST_CAPACITY:
            raise OptionError(
                f"Capacity {self.capacity} is too small.", expected=f"at least {SMALLEST_CAPACITY} frames"
            )
        if largest is not None and self.capacity > largest:
            raise OptionError(
                f"Capacity {self.capacity} is too large for the policy {self.policy}.",
                expected=f"at most {largest} frames",
                fix="use --policy fifo or none for a larger bank",
            )
        if not isinstance(self.max_groups, int) or not 1 <= self.max_groups <= MOST_GROUPS:
            raise OptionError(f"max_groups is {self.max_groups!r}.", expected=f"1 to {MOST_GROUPS}")
        if self.gap < 1:
            raise OptionError(f"Gap {self.gap} is too small.", expected="at least 1 frame")
        if self.gap_seconds is not None and not self.gap_seconds > 0:
            raise OptionError(f"Gap {self.gap_seconds} s is too small.", expected="more than 0 seconds")

    @property
    def all_identities(self) -> bool:
        """Whether channels that no object has stay alive."""
        return self.identities == PUBLISHED

    def check_count(self, objects: int) -> None:
        """Refuses more objects at once than groups can hold.

        Raises:
            PromptError: they are too many.
        """
        if self.all_identities and objects > GROUP_SIZE * MOST_GROUPS:
            raise PromptError(
                f"The label map has {objects} objects.",
                expected=f"at most {MOST_GROUPS} groups of {GROUP_SIZE}, all of whose identities stay alive",
            )

    def clock(self, number: int, time: float | None) -> float:
        """A frame's place on the axis along which the gap is measured: frames or seconds.

        Raises:
            SourceError: the gap is in seconds and the frame has no time.
        """
        if self.gap_seconds is None:
            return number
        if time is None:
            raise SourceError("A frame has no time.", expected="its time, since the memory gap is in seconds")
        return time

    @property
    def interval(self) -> float:
        """The gap in frames, or in seconds where it is given so."""
        return self.gap if self.gap_seconds is None else self.gap_seconds
