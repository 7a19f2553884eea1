"""How frames are resampled: where an output pixel of an axis reads, and with which weights."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ermu.errors import KernelError

BICUBIC, ANTIALIASED = FILTERS = ("bicubic", "antialiased")
CUBIC = np.float32(-0.75)  # OpenCV's free parameter of the cubic


class Taps(NamedTuple):
    """An axis' taps, K a pixel; read only.

    Attributes:
        at: int32 (outputs, K), source indices; those of no weight repeat one that is there.
        weights: float32 (outputs, K), which sum to 1.
    """

    at: npt.NDArray[np.int32]
    weights: npt.NDArray[np.float32]


def frame_taps(network_hw: Sequence[int], source_hw: Sequence[int], kind: str = BICUBIC) -> tuple[Taps, Taps]:
    """The taps of rows and columns; arguments and errors as `taps_between`."""
    rows, columns = (
        taps_between(outputs, inputs, kind) for outputs, inputs in zip(network_hw, source_hw, strict=True)
    )
    return rows, columns


@lru_cache(maxsize=64)
def taps_between(outputs: int, inputs: int, kind: str = BICUBIC) -> Taps:
    """The taps of one axis.

    Args:
        outputs: Pixels after resizing.
        inputs: Pixels before.
        kind: `bicubic`, as cv2.INTER_CUBIC: four taps however far the axis shrinks, borders repeated; or
            `antialiased`: linear, and where the axis shrinks a triangle as much wider, cut at the borders, as
            Pillow's BILINEAR and torch's `interpolate(mode="bilinear", antialias=True)`.

    Raises:
        KernelError: there is no such filter.
    """
    if kind not in _FILTERS:
        raise KernelError(f"There is no filter '{kind}'.", expected=" or ".join(FILTERS))
    taps = _FILTERS[kind](outputs, inputs)
    for table in taps:
        table.flags.writeable = False
    return taps


def _cubic(outputs: int, inputs: int) -> Taps:
    """Positions and weights in single precision, as OpenCV has them."""
    scale = 1.0 / (outputs / inputs)
    position = ((np.arange(outputs) + 0.5) * scale - 0.5).astype(np.float32)
    low = np.floor(position)
    x, a, one = position - low, CUBIC, np.float32(1.0)
    y = one - x
    weights = np.empty((outputs, 4), np.float32)
    weights[:, 0] = ((a * (x + one) - 5 * a) * (x + one) + 8 * a) * (x + one) - 4 * a
    weights[:, 1] = ((a + 2) * x - (a + 3)) * x * x + one
    weights[:, 2] = ((a + 2) * y - (a + 3)) * y * y + one
    weights[:, 3] = one - weights[:, 0] - weights[:, 1] - weights[:, 2]
    at = low.astype(np.int32)[:, None] + np.arange(-1, 3, dtype=np.int32)
    return Taps(at.clip(0, inputs - 1), weights)


def _triangle(outputs: int, inputs: int) -> Taps:
    scale = inputs / outputs
    reach = max(scale, 1.0)
    centre = (np.arange(outputs) + 0.5) * scale
    first = np.maximum((centre - reach + 0.5).astype(np.int64), 0)
    last = np.minimum((centre + reach + 0.5).astype(np.int64), inputs)  # exclusive
    at = first[:, None] + np.arange(int((last - first).max()))
    weights = np.maximum(1.0 - np.abs(at + 0.5 - centre[:, None]) / reach, 0.0)
    weights[at >= last[:, None]] = 0.0
    weights /= weights.sum(axis=1, keepdims=True)
    return Taps(np.minimum(at, inputs - 1).astype(np.int32), weights.astype(np.float32))


_FILTERS: dict[str, Callable[[int, int], Taps]] = {BICUBIC: _cubic, ANTIALIASED: _triangle}
