"""What is known after a frame."""

from __future__ import annotations

from dataclasses import dataclass, field

from ermu.runtime.memory.update import MemoryUpdate
from ermu.runtime.streams.object_registry import Sighting
from ermu.types import LabelMap


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
