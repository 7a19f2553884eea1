"""The oracle of the pixel work: float64 numpy, and OpenCV's own resize."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ermu.kernels.base.pixels import (
    PROBABILITY_UNIT,
    Pixels,
    check_frame,
    check_label_map,
    check_survey,
    nearest_pixels,
)
from ermu.kernels.base.resampling import BICUBIC, frame_taps
from ermu.kernels.base.resampling import Taps as AxisTaps
from ermu.kernels.base.tensor_checks import expect_finite
from ermu.types import Array, Image, LabelMap

PROBABILITY_FLOOR = 1e-5  # merged probabilities stay this far from 0 and 1
ROWS_AT_ONCE = 32  # bounds the upsampled logits held at a time

Double = npt.NDArray[np.float64]
Taps = tuple[npt.NDArray[np.intp], npt.NDArray[np.intp], Double]


class NumpyPixels(Pixels):
    """The pixel work in numpy and OpenCV."""

    name = "numpy"

    def prepare_frame(self, frame: Image, out: Array, resampling: str = BICUBIC) -> None:
        """See `Pixels.prepare_frame`; antialiased as a product of matrices."""
        import cv2  # late: `ermu doctor` loads kernels where OpenCV does not load

        check_frame(frame, out)
        if resampling != BICUBIC:
            resampled = _resampled(frame[:, :, ::-1], out.shape[:2], resampling)
            out[:] = resampled if out.dtype == np.float32 else np.rint(resampled)
            return
        size = out.shape[1], out.shape[0]
        resized = cv2.resize(frame.astype(out.dtype), size, interpolation=cv2.INTER_CUBIC)
        cv2.cvtColor(resized, cv2.COLOR_BGR2RGB, dst=out)

    def label_map(
        self, logits: Array, active: Array, source: LabelMap, network: LabelMap, *, align_corners: bool
    ) -> None:
        """See `Pixels.label_map`; interpolates and decides in float64, a band of rows at a time."""
        check_label_map(logits, active, source, network)
        expect_finite(logits=logits[active])
        silenced = np.where(active[:, :, None, None], logits.astype(np.float64), -np.inf)
        taps = aligned_taps if align_corners else half_pixel_taps
        rows, columns = taps(source.shape[0], logits.shape[2]), taps(source.shape[1], logits.shape[3])
        for start in range(0, len(source), ROWS_AT_ONCE):
            band = slice(start, start + ROWS_AT_ONCE)
            upsampled = _interpolate(silenced, (rows[0][band], rows[1][band], rows[2][band]), axis=2)
            source[band] = _decide(_interpolate(upsampled, columns, axis=3))
        split_groups(source, network)

    def survey(
        self,
        logits: Array,
        active: Array,
        source: LabelMap,
        out: npt.NDArray[np.int64],
        *,
        align_corners: bool,
    ) -> None:
        """See `Pixels.survey`; a mask and a softmax in float64 for each label."""
        check_survey(logits, active, source, out)
        rows, columns = nearest_pixels(logits.shape[2:], source.shape, align_corners=align_corners)
        shown = source[rows[:, None], columns[None]]
        out[:] = 0, source.shape[1], source.shape[0], 0, 0, 0, 0
        for label in np.unique(source[(source > 0) & (source < len(out))]).tolist():
            mask, at = source == label, shown == label
            xs, ys = np.flatnonzero(mask.any(axis=0)), np.flatnonzero(mask.any(axis=1))
            g, channel = divmod(label - 1, 10)
            values = np.where(active[g][:, None], logits[g][:, at].astype(np.float64), -np.inf)
            weights = np.exp(values - values.max(axis=0, initial=-np.inf))
            probability = (weights[channel + 1] / weights.sum(axis=0)).sum()
            box = xs[0], ys[0], xs[-1] + 1, ys[-1] + 1
            out[label] = mask.sum(), *box, at.sum(), round(probability / PROBABILITY_UNIT)


def _resampled(frame: Image, network_hw: tuple[int, ...], resampling: str) -> Double:
    """H x W x 3 to Hn x Wn x 3."""
    taps = frame_taps(network_hw, frame.shape[:2], resampling)
    rows, columns = (_matrix(*side) for side in zip(taps, frame.shape, strict=False))
    across: Double = np.tensordot(rows, frame.astype(np.float64), axes=(1, 0))
    return np.asarray(np.tensordot(across, columns, axes=(1, 1)).transpose(0, 2, 1))


def _matrix(taps: AxisTaps, inputs: int) -> Double:
    """outputs x inputs; the taps of one axis."""
    matrix = np.zeros((len(taps.at), inputs))
    np.add.at(matrix, (np.arange(len(taps.at))[:, None], taps.at), taps.weights)
    return matrix


def aligned_taps(outputs: int, inputs: int) -> Taps:
    """Lower and upper source index and the upper one's weight, corners aligned."""
    position: Double = np.arange(outputs, dtype=np.float64)
    position *= (inputs - 1) / (outputs - 1) if outputs > 1 else 0.0
    return _taps_at(position, inputs)


def half_pixel_taps(outputs: int, inputs: int) -> Taps:
    """The same with borders aligned: the centre of output i lies at (i + 0.5) * inputs / outputs."""
    position: Double = np.arange(outputs, dtype=np.float64)
    position = (position + 0.5) * (inputs / outputs) - 0.5
    return _taps_at(position.clip(0.0, inputs - 1.0), inputs)


def _taps_at(position: Double, inputs: int) -> Taps:
    low: npt.NDArray[np.intp] = np.minimum(position.astype(np.intp), inputs - 1)
    return low, np.minimum(low + 1, inputs - 1), position - low


def nearest_taps(outputs: int, inputs: int) -> npt.NDArray[np.intp]:
    """Source index of each output under cv2.INTER_NEAREST: floor(i * (inputs / outputs)), in double."""
    step = 1.0 / (outputs / inputs)
    return np.asarray(np.minimum(np.floor(np.arange(outputs) * step), inputs - 1), dtype=np.intp)


def split_groups(source: LabelMap, network: LabelMap) -> None:
    """Reduces a label map to network size and gives each group its own ids 1..10.

    Args:
        source: uint8 (H, W), 10 * g + k for id k of group g.
        network: uint8 (G, Hn, Wn), written.
    """
    rows = nearest_taps(network.shape[1], source.shape[0])
    columns = nearest_taps(network.shape[2], source.shape[1])
    reduced = source[rows[:, None], columns[None]].astype(np.int16)
    first = 10 * np.arange(len(network), dtype=np.int16)[:, None, None]
    own = (reduced > first) & (reduced <= first + 10)
    network[:] = np.where(own, reduced - first, 0)


def _interpolate(values: Double, taps: Taps, axis: int) -> Double:
    """Linear interpolation of finite (or -inf everywhere) channels along one axis."""
    low, high, weight = taps
    shape = [1, 1, 1, 1]
    shape[axis] = len(weight)
    upper, lower = values.take(high, axis=axis), values.take(low, axis=axis)
    w = weight.reshape(shape)
    silent = np.isneginf(lower) | np.isneginf(upper)
    with np.errstate(invalid="ignore"):
        return np.where(silent, -np.inf, lower * (1.0 - w) + upper * w)


def _decide(logits: Double) -> LabelMap:
    """Labels of upsampled logits (G, C, rows, W): arg-max of one group, or of the merged groups."""
    if len(logits) == 1:
        return np.asarray(logits[0].argmax(axis=0), dtype=np.uint8)
    raised = np.exp(logits - logits.max(axis=1, keepdims=True))
    p = raised / raised.sum(axis=1, keepdims=True)
    background = p[:, 0].prod(axis=0)
    foreground = np.zeros((len(p) * 10, *background.shape))
    for group, probabilities in enumerate(p[:, 1:]):
        foreground[10 * group : 10 * group + len(probabilities)] = probabilities
    merged = np.concatenate([background[None], foreground])
    merged = merged.clip(PROBABILITY_FLOOR, 1.0 - PROBABILITY_FLOOR)
    return np.asarray(merged.argmax(axis=0), dtype=np.uint8)
