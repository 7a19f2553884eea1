"""Label maps and weights to hold every identity embedding against."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

SHAPES = {17: (49, 81), 16: (48, 80)}  # of label maps, by the side of the filters
SHAPE = SHAPES[17]
LABELS = {
    "noise": lambda draw: draw.integers(0, 256, SHAPE),
    "identities": lambda draw: draw.integers(0, 11, SHAPE),
    "blocks": lambda draw: np.kron(draw.integers(0, 11, (7, 9)), np.ones((7, 9), int)),
    "one label": lambda draw: np.full(SHAPE, 10),
    "eleven": lambda draw: np.full(SHAPE, 11),
    "ignore": lambda draw: np.full(SHAPE, 255),
    "one token": lambda draw: draw.integers(0, 12, (1, 1)),
}


def label_map(name: str, side: int = 17) -> npt.NDArray[np.uint8]:
    """For filters of that side; one token takes at least a pixel, a whole patch where nothing is padded."""
    label = LABELS[name](np.random.default_rng(5)).astype(np.uint8)
    if side == 16 and label.shape == (1, 1):
        label = np.kron(label, np.ones((16, 16), np.uint8))
    return np.ascontiguousarray(label[: SHAPES[side][0], : SHAPES[side][1]])


def weights(channels: int, side: int = 17) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """A bank's weight (C, 12, side, side) and bias (C,)."""
    draw = np.random.default_rng(channels)
    weight = draw.standard_normal((channels, 12, side, side)).astype(np.float32)
    return weight, draw.standard_normal(channels).astype(np.float32)
