"""The floor: answers every frame with the prompt."""

from __future__ import annotations

from ermu.evaluation.prediction.base import Predictor
from ermu.evaluation.sequences import VideoSequence
from ermu.runtime.sources.base import Frame
from ermu.types import LabelMap


class HoldPredictor(Predictor):
    """See the module."""

    help = "the prompt for ever"

    def start(self, frame: Frame, prompt: LabelMap, sequence: VideoSequence) -> int:
        """See `Predictor.start`."""
        self._prompt = prompt
        return 1

    def step(self, frame: Frame) -> tuple[LabelMap, int]:
        """See `Predictor.step`."""
        return self._prompt, 1


PLUGIN = HoldPredictor
