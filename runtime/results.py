"""What is known after a frame."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from ermu.runtime.memory.update import MemoryUpdate
from ermu.types import LabelMap


class ObjectState(str, Enum):
    """`absent` for a moment, `lost` when that lasts."""

    VISIBLE = "visible"
    ABSENT = "absent"
    LOST = "lost"


@dataclass(frozen=True)
class Sighting:
    """What is known of an object after a frame.

    Attributes:
        id: As in label maps, 1 to 254.
        name: The user's, or `object <id>`.
        state: Visible, absent or lost.
        area: Pixels on the latest frame.
        added_frame: Frame number on which it was added.
        seen_frame: Latest frame number on which it had a pixel.
        seen_time: That frame's time.
        found: Times that it was found again after having been lost.
    """

    id: int
    name: str
    state: ObjectState
    area: int
    added_frame: int
    seen_frame: int
    seen_time: float
    found: int = 0


@dataclass(frozen=True)
class FrameResult:
    """A frame's label map and what happened on the way to it.

    Attributes:
        frame: Its number, counted from 0 at `start`.
        label: uint8 H x W at source size, the caller's ids.
        memory: A group's memory bank after the frame, by group.
        ms: Milliseconds by stage.
        objects: What a `Pipeline` knows of every object; empty from a `Segmenter` alone.
    """

    frame: int
    label: LabelMap
    memory: list[MemoryUpdate]
    ms: dict[str, float] = field(default_factory=dict)
    objects: tuple[Sighting, ...] = ()

    @property
    def memory_frames(self) -> list[int]:
        """Frames held by the first group."""
        return self.memory[0].frames if self.memory else []
