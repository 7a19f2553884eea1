"""The colours of label maps: the PASCAL and DAVIS convention, from ids to colours and back."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ermu.types import LabelMap


def _davis_palette() -> npt.NDArray[np.uint8]:
    """256 RGB colours: bits of the id spread over the channels."""
    ids = np.arange(256)
    colours = np.zeros((256, 3), np.int64)
    for bit in range(8):
        for channel in range(3):
            colours[:, channel] |= ((ids >> (3 * bit + channel)) & 1) << (7 - bit)
    return colours.astype(np.uint8)


PALETTE = _davis_palette()


def ids_of_colours(picture: npt.NDArray[np.uint8]) -> tuple[LabelMap, int]:
    """The ids whose colours a picture shows.

    Args:
        picture: RGB uint8 H x W x 3.

    Returns:
        The label map, and how many of the picture's colours are none of the palette's (their pixels are 0).
    """
    table = np.full(1 << 24, -1, np.int16)
    table[_packed(PALETTE)] = np.arange(256)
    packed = _packed(picture)
    ids = table[packed]
    return np.maximum(ids, 0).astype(np.uint8), len(np.unique(packed[ids < 0]))


def _packed(colours: npt.NDArray[np.uint8]) -> npt.NDArray[Any]:
    wide = colours.astype(np.int32)
    return wide[..., 0] << 16 | wide[..., 1] << 8 | wide[..., 2]
