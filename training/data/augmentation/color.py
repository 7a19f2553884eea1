"""Random changes of colour, and blur, of a single frame; RGB bytes in and out."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601


@dataclass(frozen=True)
class Jitter:
    """Strengths of a random change of colour.

    Attributes:
        brightness: The factor is drawn from 1 - this to 1 + this.
        contrast: The same, on the distance from the mean grey.
        saturation: The same, on the distance from the pixel's own grey.
        hue: The shift is drawn from minus this to plus this, in turns of the colour circle.
    """

    brightness: float
    contrast: float
    saturation: float
    hue: float

    def applied(self, rng: np.random.Generator, picture: Picture) -> Picture:
        """The picture with all four changes, in random order."""
        factors = [
            rng.uniform(1 - strength, 1 + strength)
            for strength in (self.brightness, self.contrast, self.saturation)
        ]
        turn = rng.uniform(-self.hue, self.hue)
        values = picture.astype(np.float32)
        for change in rng.permutation(4):
            if change == 0:
                values = values * factors[0]
            elif change == 1:
                values = _blended(values, (values @ _LUMA).mean(), factors[1])
            elif change == 2:
                values = _blended(values, (values @ _LUMA)[..., None], factors[2])
            else:
                values = _turned(values, turn)
            values = values.clip(0, 255).astype(np.float32, copy=False)
        return np.rint(values).astype(np.uint8)


@dataclass(frozen=True)
class Distortion:
    """Jitter, loss of colour and blur, each with its probability a frame."""

    jitter: Jitter
    jitter_chance: float
    grey_chance: float
    blur_chance: float
    blur_sigma: tuple[float, float]

    def applied(self, rng: np.random.Generator, picture: Picture) -> Picture:
        """The picture, changed or not."""
        if rng.random() < self.jitter_chance:
            picture = self.jitter.applied(rng, picture)
        if rng.random() < self.grey_chance:
            picture = grey(picture)
        if rng.random() < self.blur_chance:
            sigma = rng.uniform(*self.blur_sigma)
            picture = cv2.GaussianBlur(picture, (0, 0), sigma).astype(np.uint8, copy=False)
        return picture


def grey(picture: Picture) -> Picture:
    """The picture without its colours, still with three channels."""
    luma = np.rint(picture.astype(np.float32) @ _LUMA).astype(np.uint8)
    return np.repeat(luma[..., None], 3, axis=2)


def _blended(
    values: NDArray[np.float32], other: NDArray[np.float32] | np.float32, factor: float
) -> NDArray[np.float32]:
    blended: NDArray[np.float32] = other + factor * (values - other)
    return blended


def _turned(values: NDArray[np.float32], turn: float) -> NDArray[np.float32]:
    """Every hue moved along the colour circle by a share of it."""
    circle = cv2.cvtColor(values / 255, cv2.COLOR_RGB2HSV)
    circle[..., 0] = (circle[..., 0] + 360 * turn) % 360
    return (cv2.cvtColor(circle, cv2.COLOR_HSV2RGB) * 255).astype(np.float32)
