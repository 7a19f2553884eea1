"""Masks on their way into a network that takes them as numbers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ermu.kernels.base.resampling import ANTIALIASED, frame_taps
from ermu.kernels.numpy.pixels import half_pixel_taps
from ermu.types import Array, Mask

_HALF = 0.5 - 1e-6  # what single precision makes of a half

Single = npt.NDArray[np.float32]


def network_mask(mask: Mask, network_hw: Sequence[int]) -> Single:
    """A mask at network size: 1 where at least half of a pixel is covered, else 0.

    Squeezed as the network's own preprocessing does it: bilinear, without aliasing. Of a mask too small to
    cover half of any pixel the most covered ones are taken.

    Args:
        mask: bool H x W.
        network_hw: Height and width of the result.
    """
    covered = mask.astype(np.float32)
    for axis, taps in enumerate(frame_taps(network_hw, mask.shape, ANTIALIASED)):
        read = np.moveaxis(covered, axis, 0)[taps.at]  # outputs x K x the other axis
        covered = np.moveaxis(np.einsum("okx,ok->ox", read, taps.weights), 0, axis)
    least = min(_HALF, float(covered.max())) if mask.any() else _HALF
    return (covered >= least).astype(np.float32)


def mask_of(logits: Array, network_hw: Sequence[int]) -> Single:
    """Where logits are above 0 at network size: 1 there, else 0.

    Args:
        logits: h4 x w4; enlarged bilinearly, borders on borders.
        network_hw: Height and width of the result.
    """
    values = logits.astype(np.float32)
    for axis, (outputs, inputs) in enumerate(zip(network_hw, logits.shape, strict=True)):
        low, high, share = half_pixel_taps(outputs, inputs)
        weight = share.astype(np.float32).reshape((-1, 1) if axis == 0 else (-1,))
        lower = values.take(low, axis=axis)
        values = lower + (values.take(high, axis=axis) - lower) * weight
    return (values > 0).astype(np.float32)
