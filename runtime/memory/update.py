"""What a frame did to a memory bank."""

from __future__ import annotations

from dataclasses import dataclass

from ermu.runtime.memory.policy import Decision


@dataclass(frozen=True)
class MemoryUpdate:
    """A group's memory bank after a frame.

    Attributes:
        group: The group's number, never used again by the same `Segmenter`.
        ids: The caller's ids of its objects.
        frames: Frame numbers held afterwards, oldest first.
        evicted: The frame that left, if one did.
        decision: The policy's vectors, over the frames held before the append.
    """

    group: int
    ids: list[int]
    frames: list[int]
    evicted: int | None
    decision: Decision
