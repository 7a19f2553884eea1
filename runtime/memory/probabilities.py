"""Probabilities of a frame's labels, over all groups."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ermu.types import LabelMap


@dataclass(frozen=True)
class Probabilities:
    """What a frame's pixels may be.

    Attributes:
        values: float32 K x H x W, K = 1 + 10 G for G groups: background, then each group's channels.
        ids: uint8 K, the caller's id of each channel; 0 for the background and for channels of no object.
    """

    values: npt.NDArray[np.float32]
    ids: LabelMap

    def label(self) -> LabelMap:
        """The label map of the likeliest, H x W."""
        likeliest: LabelMap = self.ids[self.values.argmax(axis=0)]
        return likeliest
