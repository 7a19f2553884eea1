"""What a segmenter asks of the memories of its objects, whoever shares one with whom."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ermu.devices.tensor import DeviceTensor
from ermu.errors import PromptError
from ermu.runtime.bundle.sizes import Grids
from ermu.runtime.memory.correction import Correction
from ermu.runtime.memory.labelling import Probabilities, Seen
from ermu.runtime.memory.options import MemoryOptions
from ermu.runtime.memory.update import MemoryUpdate
from ermu.runtime.timing.stopwatch import Stopwatch
from ermu.types import Array, LabelMap

Tensors = Mapping[str, DeviceTensor]


class Memories(ABC):
    """The memories of all objects of a stream, for frames of one size.

    They lie in units, each with a number and a bank of its own: groups of ten objects, or single objects.

    Attributes:
        source_hw: Height and width of the frames.
        grids: Network input size.
    """

    source_hw: tuple[int, int]
    grids: Grids

    @abstractmethod
    def __len__(self) -> int:
        """Units."""

    @property
    @abstractmethod
    def ids(self) -> list[int]:
        """The caller's ids of every object followed, by unit."""

    @property
    @abstractmethod
    def longest(self) -> int:
        """Frames in the fullest bank."""

    @abstractmethod
    def unchanged(self) -> list[MemoryUpdate]:
        """Every bank as it is."""

    @abstractmethod
    def begin(
        self,
        ids: Sequence[int],
        label: LabelMap,
        features: Tensors,
        options: MemoryOptions,
        *,
        frame: int,
        clock: float,
    ) -> None:
        """Adds units for new objects, with a labelled frame as their permanent first memory.

        Args:
            ids: The caller's ids of the objects.
            label: uint8 H x W at source size, where they are.
            features: Of that frame.
            options: Of their banks.
            frame: The frame's number.
            clock: When it was, in the units of the gap.
        """

    @abstractmethod
    def make_room(
        self, ids: Sequence[int], label: LabelMap, known: LabelMap, options: MemoryOptions, *, frame: int
    ) -> tuple[list[int], LabelMap]:
        """Frees the units whose objects begin anew together with new ones, where units are too many.

        Args:
            ids: The new objects'.
            label: uint8 H x W at source size, where they are.
            known: Where the others are on that frame.
            options: Of the memories.
            frame: That frame's number.

        Returns:
            The ids to `begin`, and where they are.

        Raises:
            PromptError: they do not fit; everything is as it was.
        """

    @abstractmethod
    def segment(self, features: Tensors, watch: Stopwatch, *, frame: int) -> LabelMap:
        """A frame's label map, H x W with the caller's ids; what was found is kept to be remembered.

        Args:
            features: Of the frame; they stay until `remember`.
            watch: Times it.
            frame: The frame's number.
        """

    @abstractmethod
    def remember(
        self,
        options: MemoryOptions,
        watch: Stopwatch,
        *,
        frame: int,
        clock: float,
        label: LabelMap | None = None,
    ) -> list[MemoryUpdate]:
        """Completes the frame's memory in each unit, and appends it to the bank where it is due.

        Args:
            options: When it is due.
            watch: Times it.
            frame: The frame's number.
            clock: When it was, in the units of the gap.
            label: uint8 H x W to remember in place of what `segment` predicted.
        """

    @abstractmethod
    def correct(
        self,
        object_id: int,
        label: LabelMap,
        features: Tensors,
        *,
        found: LabelMap,
        frame: int,
        clock: float,
        latest: tuple[int, LabelMap],
    ) -> None:
        """Corrects what the object's unit remembers; every other one's memory stays as it is.

        Args:
            object_id: The caller's id of the object that was wrong.
            label: uint8 H x W at source size, corrected, with the unit's other objects as they were found.
            features: Of that frame.
            found: The label map that it had.
            frame: Its number.
            clock: When the latest frame was, in the units of the gap.
            latest: Number and label map of the latest frame.

        Raises:
            PromptError: the object was not followed yet.
        """

    @abstractmethod
    def undo(self, object_id: int) -> Correction[Any]:
        """Takes the latest correction of the object's unit back; returns it.

        Raises:
            StateError: there is none to undo, or it was another object's.
        """

    @abstractmethod
    def segment_again(self, object_id: int, features: Tensors, *, frame: int) -> LabelMap:
        """The latest frame's label map once more, after what the object's unit remembers has changed.

        Args:
            object_id: The caller's.
            features: Of that frame.
            frame: Its number.
        """

    @abstractmethod
    def switch_policy(self, options: MemoryOptions) -> None:
        """Changes the eviction policy of every unit."""

    @abstractmethod
    def begin_elsewhere(self, clock: float, features: Tensors) -> None:
        """Goes on in another stream, of whose first frame nothing is known.

        Args:
            clock: When it was, in the units of the gap.
            features: Of it.
        """

    @abstractmethod
    def move_clock(self, seconds: float) -> None:
        """Moves the times of the latest appends: the stream's axis has begun anew."""

    @abstractmethod
    def clear(self) -> None:
        """Frees every unit."""

    @abstractmethod
    def remove(self, object_id: int) -> None:
        """Stops following an object; a unit without objects is freed."""

    @abstractmethod
    def logits(self) -> Array:
        """Of the latest frame, G x C x h4 x w4 for sets of ten objects, a copy on the host."""

    @abstractmethod
    def probabilities(self) -> Probabilities:
        """Of the latest frame's labels at source size; computed on the host."""

    @abstractmethod
    def seen(self, label: LabelMap) -> dict[int, Seen]:
        """What a label map of the latest frame, H x W with the caller's ids, shows of each object, by id."""


def check_followed(object_id: int, first: int, frame: int) -> None:
    """Refuses to correct an object on a frame before the first that is remembered of it.

    Raises:
        PromptError: it was not followed yet.
    """
    if frame < first:
        raise PromptError(
            f"Object {object_id} was not followed yet at frame {frame}.",
            expected=f"frame {first} or a later one",
            fix="correct it on a frame since",
        )


class Numbers(Iterator[int]):
    """Of units: 0, 1, 2 and so on; `upcoming` is the next."""

    def __init__(self, upcoming: int = 0) -> None:
        self.upcoming = upcoming

    def __next__(self) -> int:
        self.upcoming += 1
        return self.upcoming - 1
