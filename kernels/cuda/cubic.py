"""Bicubic taps as OpenCV's: where an output pixel reads, and four weights."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

CUBIC = -0.75  # OpenCV's free parameter of the cubic
WEIGHT_ONE = 2048
# Struct Taps of frame.cu: in single precision, and in fixed point for frames of bytes.
EXACT_TAPS = np.dtype([("first", np.int32), ("weight", np.float32, (4,))])
FIXED_TAPS = np.dtype([("first", np.int32), ("weight", np.int16, (4,))])


def cubic_taps(outputs: int, inputs: int, kind: np.dtype[np.void]) -> npt.NDArray[np.void]:
    """Taps of one axis.

    Args:
        outputs: pixels after resizing.
        inputs: pixels before.
        kind: `EXACT_TAPS`, or `FIXED_TAPS` with weights in units of 1/2048.

    Returns:
        (outputs,) of `kind`; `first` may lie outside, where the border pixel repeats.
    """
    scale = 1.0 / (outputs / inputs)
    position = ((np.arange(outputs) + 0.5) * scale - 0.5).astype(np.float32)
    low = np.floor(position)
    x = position - low
    a, one = np.float32(CUBIC), np.float32(1.0)
    weights = np.empty((outputs, 4), dtype=np.float32)
    weights[:, 0] = ((a * (x + one) - 5 * a) * (x + one) + 8 * a) * (x + one) - 4 * a
    weights[:, 1] = ((a + 2) * x - (a + 3)) * x * x + one
    weights[:, 2] = ((a + 2) * (one - x) - (a + 3)) * (one - x) * (one - x) + one
    weights[:, 3] = one - weights[:, 0] - weights[:, 1] - weights[:, 2]
    taps = np.zeros(outputs, dtype=kind)
    taps["first"] = low.astype(np.int32) - 1
    taps["weight"] = weights if kind == EXACT_TAPS else np.rint(weights * WEIGHT_ONE).astype(np.int16)
    return taps
