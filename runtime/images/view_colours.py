"""The colours in which objects are shown to people: bright ones, apart from their neighbours' on any ground.

Label maps are written in the palette of PASCAL and DAVIS, whose first colours are too dark to be told from a
dark picture.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

_FIRST_HUE = 30.0
_GOLDEN_ANGLE = 137.50776  # degrees: each next hue falls into the widest gap between those before
_LIGHTNESS = (0.80, 0.72, 0.88)  # in turn
_CHROMA = 0.17


def _view_colours() -> npt.NDArray[np.uint8]:
    """256 RGB colours, made in OKLCH (B. Ottosson, "A perceptual color space for image processing", 2020)."""
    ids = np.arange(256)
    hue = np.deg2rad(_FIRST_HUE + _GOLDEN_ANGLE * (ids - 1))
    lightness = np.array(_LIGHTNESS)[(ids - 1) % len(_LIGHTNESS)]
    a, b = _CHROMA * np.cos(hue), _CHROMA * np.sin(hue)
    cone = np.array(
        [[0.3963377774, 0.2158037573], [-0.1055613458, -0.0638541728], [-0.0894841775, -1.2914855480]]
    )
    long, medium, short = (lightness + cone @ np.stack([a, b])) ** 3
    linear = np.stack([
        4.0767416621 * long - 3.3077115913 * medium + 0.2309699292 * short,
        -1.2684380046 * long + 2.6097574011 * medium - 0.3413193965 * short,
        -0.0041960863 * long - 0.7034186147 * medium + 1.7076147010 * short,
    ]).clip(0, 1)  # fmt: skip
    encoded = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    colours: npt.NDArray[np.uint8] = np.round(255 * encoded).T.astype(np.uint8)
    colours[0] = 0
    return colours


VIEW_COLOURS = _view_colours()


def view_colour(object_id: int) -> str:
    """An object's colour as `#rrggbb`."""
    return "#" + bytes(VIEW_COLOURS[object_id]).hex()
