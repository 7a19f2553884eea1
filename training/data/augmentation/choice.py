"""The augmentations by name."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ermu.training.config import PhaseConfig
from ermu.training.data.augmentation import published, window
from ermu.training.data.sample import Sample


def augment(
    rng: np.random.Generator,
    frames: list[NDArray[np.uint8]],
    labels: list[NDArray[np.uint8]],
    phase: PhaseConfig,
) -> Sample:
    """Cuts frames of a video as the phase says.

    Args:
        rng: Decides everything.
        frames: H x W x 3, RGB.
        labels: H x W, ids or 255.
        phase: Its `augmentation` and `size`.
    """
    if phase.augmentation == "window":
        return window.augmented(rng, frames, labels, phase.size)
    distortion = published.V2 if phase.augmentation == "v2" else None
    return published.augmented(rng, frames, labels, phase.size, distortion)
