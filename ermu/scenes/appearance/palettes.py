"""Colours that look like those of things: mostly muted, sometimes loud."""

from __future__ import annotations

import colorsys

import numpy as np
from numpy.typing import NDArray


def draw_palette(rng: np.random.Generator, count: int) -> NDArray[np.float32]:
    """Draws `count` colours that go together, darkest to brightest or in any order.

    Args:
        rng: Stream to draw from.
        count: Number of colours.

    Returns:
        count x 3 float32, BGR in 0..255.
    """
    hue, spread = rng.uniform(), rng.choice([0.04, 0.12, 0.5])
    saturation = rng.beta(1.4, 2.2)
    value_low, value_high = np.sort(rng.uniform(0.08, 1.0, 2))
    value_high = max(value_high, min(1.0, value_low + 0.3))
    values = np.linspace(value_low, value_high, count)
    if rng.uniform() < 0.5:
        rng.shuffle(values)
    colours = [
        colorsys.hsv_to_rgb(
            (hue + rng.uniform(-spread, spread)) % 1.0,
            float(np.clip(saturation + rng.normal(0, 0.15), 0, 1)),
            float(value),
        )[::-1]
        for value in values
    ]
    return np.asarray(colours, np.float32) * 255


def apply_palette(field: NDArray[np.float32], palette: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Maps a field in 0..1 (H x W) to colours between the palette's, H x W x 3 uint8 BGR."""
    steps = np.linspace(0, 255, len(palette))
    table = np.stack([np.interp(np.arange(256), steps, palette[:, c]) for c in range(3)], axis=1)
    return table.astype(np.uint8)[np.clip(field * 255, 0, 255).astype(np.uint8)]
