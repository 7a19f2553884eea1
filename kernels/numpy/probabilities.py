"""Probabilities of labels at source size, on the host: what evaluation averages over views."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ermu.kernels.base.tensor_checks import expect_finite
from ermu.kernels.numpy.pixels import PROBABILITY_FLOOR, Taps, aligned_taps, half_pixel_taps
from ermu.types import Array

Single = npt.NDArray[np.float32]


def merged_probabilities(
    logits: Array, active: Array, source_hw: tuple[int, int], *, align_corners: bool
) -> Single:
    """Softmax of upsampled logits; several groups are merged, and sum to 1 again, as published.

    Merged probabilities (`Pixels.label_map`) become logits, whose softmax is taken: p / (1 - p), normalised.

    Args:
        logits: (G, C, h4, w4) float32 or float16, C = 11.
        active: (G, C) bool, channels in use; the others are silenced.
        source_hw: (H, W) of the result.
        align_corners: As of `Pixels.label_map`.

    Returns:
        (1 + 10 G, H, W): background, then each group's ids.

    Raises:
        KernelError: a value is not finite.
    """
    expect_finite(logits=logits[active])
    taps = aligned_taps if align_corners else half_pixel_taps
    places = [taps(side, inputs) for side, inputs in zip(source_hw, logits.shape[2:], strict=True)]
    groups = [_softmax(*group, places) for group in zip(logits, active, strict=True)]
    if len(groups) == 1:
        return groups[0]
    background = np.prod([group[0] for group in groups], axis=0)
    merged = np.concatenate([background[None], *(group[1:] for group in groups)])
    np.clip(merged, PROBABILITY_FLOOR, 1.0 - PROBABILITY_FLOOR, out=merged)
    merged /= 1.0 - merged
    merged /= merged.sum(axis=0)
    return merged


def _softmax(logits: Array, active: Array, places: Sequence[Taps]) -> Single:
    """(C, H, W) of one group; silenced channels are 0. `places` are the taps of rows and columns."""
    upsampled = _upsampled(logits[active].astype(np.float32), places)
    upsampled -= upsampled.max(axis=0)
    np.exp(upsampled, out=upsampled)
    upsampled /= upsampled.sum(axis=0)
    everywhere = np.zeros((len(active), *upsampled.shape[1:]), np.float32)
    everywhere[active] = upsampled
    return everywhere


def _upsampled(values: Single, places: Sequence[Taps]) -> Single:
    for axis, (low, high, share) in enumerate(places, start=1):
        weight = share.astype(np.float32).reshape((-1, 1) if axis == 1 else (-1,))
        lower = values.take(low, axis=axis)
        values = lower + (values.take(high, axis=axis) - lower) * weight
    return values
