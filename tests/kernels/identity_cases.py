"""Label maps and weights to hold every identity embedding against."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

SHAPE = (49, 81)
LABELS = {
    "noise": lambda draw: draw.integers(0, 256, SHAPE),
    "identities": lambda draw: draw.integers(0, 11, SHAPE),
    "blocks": lambda draw: np.kron(draw.integers(0, 11, (7, 9)), np.ones((7, 9), int)),
    "one label": lambda draw: np.full(SHAPE, 10),
    "eleven": lambda draw: np.full(SHAPE, 11),
    "ignore": lambda draw: np.full(SHAPE, 255),
    "one token": lambda draw: draw.integers(0, 12, (1, 1)),
}


def label_map(name: str) -> npt.NDArray[np.uint8]:
    return LABELS[name](np.random.default_rng(5)).astype(np.uint8)


def weights(channels: int) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """A bank's weight (C, 12, 17, 17) and bias (C,)."""
    draw = np.random.default_rng(channels)
    weight = draw.standard_normal((channels, 12, 17, 17)).astype(np.float32)
    return weight, draw.standard_normal(channels).astype(np.float32)
