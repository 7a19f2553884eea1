"""A predictor turns a sequence's prompt and frames into label maps."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ermu.evaluation.sequences import VideoSequence
from ermu.runtime.sources.base import Frame
from ermu.types import LabelMap


@dataclass(frozen=True)
class Prediction:
    """A frame's result.

    Attributes:
        name: The frame's name.
        label: H x W uint8 with the prompt's ids.
        ms: Milliseconds that the predictor took, reading the frame aside.
        memory_frames: Frames held in memory afterwards.
    """

    name: str
    label: LabelMap
    ms: float
    memory_frames: int


class Predictor(ABC):
    """Follows the objects of a prompt; used for one sequence after another.

    A baseline is a subclass in a module of its own (`ermu.evaluation.baselines`), made without arguments.

    Attributes:
        help: Of a baseline, in a line.
    """

    help: str = ""

    def predict(self, sequence: VideoSequence) -> Iterator[Prediction]:
        """Yields a prediction for every frame; the first is the prompt itself.

        Objects that first appear in a later frame are added there.

        Raises:
            ErmuError: The sequence cannot be read or followed.
        """
        for frame in sequence.frames():
            prompt = sequence.prompt(frame.name)
            begin = time.perf_counter()
            if frame.index == 0 and prompt is not None:
                label, held = prompt, self.start(frame, prompt, sequence)
            else:
                label, held = self.step(frame)
                if prompt is not None:
                    label, held = self.add(frame, prompt, label, sequence)
            yield Prediction(frame.name, label, (time.perf_counter() - begin) * 1e3, held)

    @abstractmethod
    def start(self, frame: Frame, prompt: LabelMap, sequence: VideoSequence) -> int:
        """Begins a sequence; returns the number of frames held in memory."""

    @abstractmethod
    def step(self, frame: Frame) -> tuple[LabelMap, int]:
        """Returns the next frame's label map and the number of frames held in memory."""

    def add(
        self, frame: Frame, prompt: LabelMap, label: LabelMap, sequence: VideoSequence
    ) -> tuple[LabelMap, int]:
        """Follows new objects from the latest frame on; by default by beginning anew with all of them.

        Args:
            frame: The latest, after its `step`.
            prompt: H x W uint8, the new objects' ids.
            label: The frame's label map without them.
            sequence: That is being followed.

        Returns:
            The label map with them, and the number of frames held in memory.
        """
        merged = np.where(prompt > 0, prompt, label).astype(np.uint8)
        return merged, self.start(frame, merged, sequence)
