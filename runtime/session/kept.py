"""What a session has of memories, whichever kind they are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from ermu.runtime.memory.bank import BankContents
from ermu.runtime.session.head import GroupHead, TrackedHead
from ermu.types import Array


@dataclass(frozen=True)
class Kept:
    """Memories on the host.

    Attributes:
        arrays: By name.
        groups: Of groups of objects.
        banks: A group's each.
        objects: Of objects with memories of their own.
    """

    arrays: dict[str, Array]
    groups: list[GroupHead] = field(default_factory=list)
    banks: list[Callable[[], BankContents]] = field(default_factory=list)
    objects: list[TrackedHead] = field(default_factory=list)
