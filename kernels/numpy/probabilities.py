"""Probabilities of labels at source size, on the host: what evaluation averages over views."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ermu.kernels.base.tensor_checks import expect_finite
from ermu.kernels.numpy.pixels import PROBABILITY_FLOOR, Taps, aligned_taps, half_pixel_taps
from ermu.types import Array, LabelMap

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


def mean_probabilities(
    logits: Array, active: Array, channels: npt.NDArray[np.uint8], label: LabelMap, *, align_corners: bool
) -> dict[int, float]:
    """Mean probability of every label over its own pixels, by the softmax of its group.

    Taken at the logits' own places, and the nearest pixel there: nothing is upsampled, and no softmax is
    taken where there is background.

    Args:
        logits: (G, C, h4, w4) float32 or float16, C = 11.
        active: (G, C) bool, channels in use.
        channels: (G, 256) the channel of each label in each group, 0 for those of other groups.
        label: uint8 (H, W).
        align_corners: As of `Pixels.label_map`.

    Returns:
        By label; those that no logit's place meets are left out.
    """
    nearest = [
        _nearest(outputs, inputs, align_corners=align_corners)
        for outputs, inputs in zip(logits.shape[2:], label.shape, strict=True)
    ]
    sampled = label[nearest[0][:, None], nearest[1][None]].ravel()
    means: dict[int, float] = {}
    for group, used, table in zip(logits, active, channels, strict=True):
        own = np.flatnonzero(table[sampled])
        labels = sampled[own]
        values = group.reshape(len(used), -1)[:, own].astype(np.float32)
        values[~used] = -np.inf
        values -= values.max(axis=0, initial=-np.inf)
        np.exp(values, out=values)
        probability = values[table[labels], np.arange(len(own))] / values.sum(axis=0)
        counts, sums = np.bincount(labels), np.bincount(labels, weights=probability)
        means.update({int(i): float(sums[i] / counts[i]) for i in np.flatnonzero(counts)})
    return means


def _nearest(outputs: int, inputs: int, *, align_corners: bool) -> npt.NDArray[np.intp]:
    """The pixel, of `inputs`, nearest to each of `outputs` places."""
    places = np.arange(outputs)
    if align_corners:
        position = places * ((inputs - 1) / max(outputs - 1, 1))
    else:
        position = (places + 0.5) * (inputs / outputs) - 0.5
    return np.asarray(np.rint(position).clip(0, inputs - 1), np.intp)


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
