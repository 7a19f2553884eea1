"""A bundle in the torch-free runtime, every frame seen once."""

from __future__ import annotations

from ermu.evaluation.prediction.base import Predictor
from ermu.evaluation.prediction.settings import RunSettings
from ermu.evaluation.sequences import VideoSequence
from ermu.runtime.bundle.bundle import Bundle
from ermu.runtime.segmenter import Segmenter
from ermu.runtime.sources.base import Frame
from ermu.types import LabelMap


class SegmenterPredictor(Predictor):
    """A bundle's label maps.

    Args:
        settings: Of a run with a bundle.

    Raises:
        BundleError: The bundle cannot be loaded or serve the settings.
        DependencyError: The runtime's backend is not installed.
    """

    def __init__(self, settings: RunSettings) -> None:
        self._settings = settings
        bundle = Bundle.load(str(settings.bundle))
        self._segmenter = Segmenter(bundle, long_edge=settings.long_edge, **settings.keywords())

    def start(self, frame: Frame, prompt: LabelMap, sequence: VideoSequence) -> int:
        self._segmenter.gap = gap_of(self._settings, self._segmenter.bundle, sequence)
        return len(self._segmenter.start(frame.image, prompt).memory_frames)

    def step(self, frame: Frame) -> tuple[LabelMap, int]:
        result = self._segmenter.step(frame.image)
        return result.label, len(result.memory_frames)

    def add(
        self, frame: Frame, prompt: LabelMap, label: LabelMap, sequence: VideoSequence
    ) -> tuple[LabelMap, int]:
        result = self._segmenter.add_objects(prompt)
        return result.label, len(result.memory_frames)


def gap_of(settings: RunSettings, bundle: Bundle, sequence: VideoSequence) -> int:
    """Frames between two appends: those asked for, or what the bundle's rule says of the sequence."""
    return settings.gap or bundle.manifest.memory.gap_for(len(sequence.frame_names), settings.policy)
