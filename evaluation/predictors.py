"""Predictors: what turns a sequence's prompt and frames into label maps, a bundle or a baseline."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ermu.errors import DatasetError
from ermu.evaluation.sequences import VideoSequence
from ermu.registries import BASELINES
from ermu.runtime.sources.base import Frame
from ermu.types import LabelMap


@dataclass(frozen=True)
class RunSettings:
    """How label maps are made; equal settings can go on where a run stopped.

    Attributes:
        bundle: Folder of the bundle, None with a baseline.
        baseline: Name of one, None with a bundle.
        policy: Eviction policy of the memory bank.
        capacity: Memory frames; None for the bundle's own.
        gap: Frames between appends; None for the published rule of the network.
        long_edge: Larger frames are scaled down to it; None for the bundle's own.
        backend: That runs the bundle's graphs.
        precision: None for the bundle's own.
        device: 'cpu', 'cuda', or 'cuda:1' for another than the first GPU.
        threads: CPU threads; None for all cores.
    """

    bundle: str | None = None
    baseline: str | None = None
    policy: str = "ermu"
    capacity: int | None = None
    gap: int | None = None
    long_edge: int | None = None
    backend: str = "auto"
    precision: str | None = None
    device: str = "cpu"
    threads: int | None = None

    def __post_init__(self) -> None:
        if (self.bundle is None) == (self.baseline is None):
            raise DatasetError(
                "A run needs something that makes label maps, and only one.",
                expected="a bundle or a baseline",
                fix="give --bundle BUNDLE or --baseline flow",
            )
        if self.baseline is not None:
            BASELINES.get(self.baseline)

    @property
    def name(self) -> str:
        """What the run is called in tables: the baseline's name or the policy's."""
        return self.baseline or self.policy


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


class SegmenterPredictor(Predictor):
    """A bundle in the torch-free runtime.

    Args:
        settings: Of a run with a bundle.

    Raises:
        BundleError: The bundle cannot be loaded or serve the settings.
        DependencyError: The runtime's backend is not installed.
    """

    def __init__(self, settings: RunSettings) -> None:
        from ermu.runtime.bundle.bundle import Bundle
        from ermu.runtime.segmenter import Segmenter

        self._settings = settings
        bundle = Bundle.load(str(settings.bundle))
        self._network = bundle.manifest.network
        self._segmenter = Segmenter(
            bundle,
            policy=settings.policy,
            capacity=settings.capacity,
            long_edge=settings.long_edge,
            backend=settings.backend,
            precision=settings.precision,
            device=settings.device,
            threads=settings.threads,
        )

    def start(self, frame: Frame, prompt: LabelMap, sequence: VideoSequence) -> int:
        self._segmenter.gap = self._settings.gap or self._network.published_gap(len(sequence.frame_names))
        return len(self._segmenter.start(frame.image, prompt).memory_frames)

    def step(self, frame: Frame) -> tuple[LabelMap, int]:
        result = self._segmenter.step(frame.image)
        return result.label, len(result.memory_frames)

    def add(
        self, frame: Frame, prompt: LabelMap, label: LabelMap, sequence: VideoSequence
    ) -> tuple[LabelMap, int]:
        result = self._segmenter.add_objects(prompt)
        return result.label, len(result.memory_frames)


def open_predictor(settings: RunSettings) -> Predictor:
    """Makes the predictor that the settings describe."""
    if settings.baseline is not None:
        return BASELINES.get(settings.baseline)()
    return SegmenterPredictor(settings)
