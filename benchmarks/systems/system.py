"""Another system: its own network, memory and frame loop."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import NamedTuple

from ermu.types import Image, LabelMap


class Followed(NamedTuple):
    """What a system makes of a frame.

    Attributes:
        label: uint8 H x W, of the frame's size.
        remembered: Whether the frame entered the memory.
    """

    label: LabelMap
    remembered: bool


class System(ABC):
    """Follows the objects of a first label map, from a source's frame to a label map of its size.

    Attributes:
        network: Its name.
        trained: Whether its weights were given; random ones take as long, and segment nothing.
        precision: What it computes in; known once it has started.
        settles: Frames from the first on until each asks for the same work: the memory is full by then.
        gap: Frames between two that enter the memory.
    """

    network: str
    trained: bool
    precision: str
    settles: int
    gap: int

    @property
    @abstractmethod
    def settings(self) -> str:
        """How it runs, input size and memory; known once it has started."""

    @property
    def description(self) -> str:
        """In a line: network, weights and settings."""
        weights = "" if self.trained else "random weights (its label maps mean nothing), "
        return f"{self.network}, {weights}{self.settings}"

    @abstractmethod
    def start(self, image: Image, label: LabelMap) -> None:
        """Begins with a labelled frame.

        Args:
            image: BGR uint8 H x W x 3.
            label: uint8 H x W; ids 1 to 254, 0 background, 255 ignore.
        """

    @abstractmethod
    def step(self, image: Image) -> Followed:
        """The next frame, of the first one's size."""

    def close(self) -> None:
        """Frees what it holds; none need to."""
        return
