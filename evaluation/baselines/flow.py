"""The baseline without a network: label maps carried on by dense optical flow (cv2.DISOpticalFlow)."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from ermu.evaluation.prediction.base import Predictor
from ermu.evaluation.sequences import VideoSequence
from ermu.runtime.sources.base import Frame
from ermu.types import LabelMap


class FlowPredictor(Predictor):
    """Warps the last label map by the flow from each frame back to the one before.

    Every pixel of a frame takes the id that its origin had, so objects never leave holes; what is lost is
    never found again. Preset medium of Dense Inverse Search (Kroeger et al., ECCV 2016).
    """

    help = "the last label map, warped by optical flow"

    def __init__(self) -> None:
        self._flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)

    def start(self, frame: Frame, prompt: LabelMap, sequence: VideoSequence) -> int:
        height, width = prompt.shape
        self._x, self._y = np.meshgrid(
            np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32)
        )
        self._last, self._label = _grey(frame), np.where(prompt == 255, 0, prompt).astype(np.uint8)
        return 1

    def step(self, frame: Frame) -> tuple[LabelMap, int]:
        grey = _grey(frame)
        back = self._flow.calc(grey, self._last, np.zeros((*grey.shape, 2), np.float32))
        origin_x, origin_y = self._x + back[:, :, 0], self._y + back[:, :, 1]
        self._label = np.asarray(cv2.remap(self._label, origin_x, origin_y, cv2.INTER_NEAREST), np.uint8)
        self._last = grey
        return self._label, 1


def _grey(frame: Frame) -> NDArray[np.uint8]:
    return np.asarray(cv2.cvtColor(frame.image, cv2.COLOR_BGR2GRAY), np.uint8)


PLUGIN = FlowPredictor
