"""The oracle: ERMU's scoring in float64 numpy, as `spec/ermu.md` reads; also what runs without a compiler."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from ermu.kernels.base import checks
from ermu.kernels.base.relevance import checked_foreground, weighted_share
from ermu.kernels.base.scoring import (
    Array,
    Eviction,
    FloatArray,
    Kernels,
    KeyGram,
    LabelMap,
    LabelMaps,
    ScoreConstants,
)

NORM_FLOOR = 1e-12  # L2 norms below this divide by it instead
PROBABILITY_FLOOR = 1e-5  # merged probabilities stay this far from 0 and 1
QUERIES_AT_ONCE = 64  # bounds the attention held at a time to 64 x T*N
ROWS_AT_ONCE = 32  # bounds the upsampled logits held at a time

Double = npt.NDArray[np.float64]


def redundancy_direct(keys: Array) -> Double:
    """Redundancy from the keys themselves: step 3 of `spec/ermu.md`, word for word.

    Args:
        keys: (T, N, D) keys *with* their temporal rows added.

    Returns:
        (T,) float64, rounded to 4 decimals.
    """
    K = keys.astype(np.float64)
    K = K / np.maximum(np.linalg.norm(K, axis=1, keepdims=True), NORM_FLOOR)
    return _share_of_similarity(np.einsum("inc,jnc->ij", K, K))


def _share_of_similarity(similarity: Double) -> Double:
    """Each slot's share of the summed similarity of different slots, rounded to 4 decimals."""
    different = similarity.copy()
    np.fill_diagonal(different, 0.0)
    total = different.sum()
    if total == 0.0:
        return np.zeros(len(different))
    return np.asarray(np.round(different.sum(axis=1) / total, 4))


class ReferenceKeyGram(KeyGram):
    """The exact incremental redundancy in float64: S[i, c] and G0[i, j, c] of `spec/ermu.md`.

    Args:
        slots: Slots to make room for at first.
        channels: D.
    """

    def __init__(self, slots: int, channels: int) -> None:
        checks.expect_slots(slots)
        self._channels = channels
        self._tokens: int | None = None
        self._known = np.zeros(checks.MAX_SLOTS, dtype=np.bool_)
        self._sums = np.zeros((slots, channels))
        self._dots = np.zeros((slots, slots, channels))

    def update(self, slot: int, keys: Array) -> None:
        """Recomputes row and column `slot` of the dot products; see `KeyGram.update`."""
        checks.check_gram_update(slot, keys, self._tokens, self._channels)
        sums, dots = self._measure(slot, keys)
        if not np.isfinite(dots[slot]).all():
            raise checks.nan_found("keys")
        self._tokens = keys.shape[1]
        self._grow(keys.shape[0])
        self._sums[slot] = sums
        self._dots[slot, : len(keys)] = self._dots[: len(keys), slot] = dots
        self._known[slot] = True

    def _measure(self, slot: int, keys: Array) -> tuple[Double, Double]:
        """Sums (D) of the new keys and their dot products (T, D) with every slot's."""
        new = keys[slot].astype(np.float64)
        dots = [np.einsum("nc,nc->c", new, held.astype(np.float64)) for held in keys]
        return new.sum(axis=0), np.stack(dots)

    def redundancy(self, rows: Array) -> FloatArray:
        """Adds the temporal rows to the dot products and normalises; see `KeyGram.redundancy`."""
        slots = checks.check_gram_rows(rows, self._known.tolist(), self._channels)
        p = rows.astype(np.float64)
        S = self._sums[:slots]
        dots = self._dots[:slots, :slots] + p[None] * S[:, None] + p[:, None] * S[None]
        dots += (self._tokens or 0) * p[:, None] * p[None]
        norms = np.sqrt(np.maximum(np.einsum("iic->ic", dots), 0.0)).clip(min=NORM_FLOOR)
        return _share_of_similarity((dots / (norms[:, None] * norms[None])).sum(axis=2))

    def _grow(self, slots: int) -> None:
        extra = slots - len(self._sums)
        if extra > 0:
            self._sums = np.pad(self._sums, ((0, extra), (0, 0)))
            self._dots = np.pad(self._dots, ((0, extra), (0, extra), (0, 0)))


class ReferenceKernels(Kernels):
    """Every kernel in plain numpy and OpenCV: slow, exact, and needs nothing but the two."""

    name = "numpy"

    def frame_masses(self, query: Array, keys: Array, rows: Array, *, heads: int) -> FloatArray:
        """See `Kernels.frame_masses`."""
        return self._masses(query, keys, rows, heads).astype(np.float32)

    def relevance(
        self, query: Array, keys: Array, rows: Array, foreground: Array, *, heads: int
    ) -> FloatArray:
        """See `Kernels.relevance`; every query counts, however small its foreground."""
        checks.scoring_shape(query, keys, rows, heads)
        checks.check_foreground(foreground, query.shape[0])
        weights = checked_foreground(foreground)
        masses = self._masses(query, keys, rows, heads)
        return weighted_share(weights, masses) if weights.any() else np.full(len(keys), 1.0 / len(keys))

    def _masses(self, query: Array, keys: Array, rows: Array, heads: int) -> Double:
        shape = checks.scoring_shape(query, keys, rows, heads)
        split = (-1, heads, shape.head_channels)
        K = (keys.astype(np.float64) + rows.astype(np.float64)[:, None]).reshape(split).transpose(1, 2, 0)
        Q = query.astype(np.float64).reshape(split).transpose(1, 0, 2) * shape.scale
        if not (np.isfinite(K).all() and np.isfinite(Q).all()):
            raise checks.nan_found("query, keys or rows")
        masses = np.zeros((shape.tokens, shape.slots))
        for head in range(heads):
            for start in range(0, shape.tokens, QUERIES_AT_ONCE):
                block = slice(start, start + QUERIES_AT_ONCE)
                logits = Q[head, block] @ K[head]
                attention = np.exp(logits - logits.max(axis=1, keepdims=True))
                by_slot = attention.reshape(-1, shape.slots, shape.tokens).sum(axis=2)
                masses[block] += by_slot / by_slot.sum(axis=1, keepdims=True) / heads
        return masses

    def key_gram(self, slots: int, channels: int) -> KeyGram:
        """See `Kernels.key_gram`."""
        return ReferenceKeyGram(slots, channels)

    def choose_eviction(
        self,
        relevance: Array,
        redundancy: Array,
        previous: Array,
        order: Array,
        constants: ScoreConstants,
    ) -> Eviction:
        """See `Kernels.choose_eviction`."""
        checks.check_choice(relevance, redundancy, previous, order)
        now, before = relevance.astype(np.float64), previous.astype(np.float64)
        keep = constants.momentum
        mean = np.where(np.isnan(before), now, keep * now + (1.0 - keep) * before)
        red = redundancy.astype(np.float64)
        novelty = 1.0 / (1.0 + np.exp(constants.redundancy_slope * (red - constants.redundancy_centre)))
        scores = constants.relevance_weight * mean + novelty
        if not np.isfinite(scores).all():
            raise checks.nan_found("relevance or redundancy")
        candidates = np.asarray(order)[1:]
        return Eviction(int(candidates[np.argmin(scores[candidates])]), mean, scores)

    def foreground(self, logits: Array, active: Array) -> FloatArray:
        """See `Kernels.foreground`."""
        checks.check_token_logits(logits, active)
        at_tokens = logits[np.asarray(active), ::4, ::4].astype(np.float64)
        checks.check_finite("logits", at_tokens)
        return np.asarray(_softmax(at_tokens, axis=0)[1:].sum(axis=0), dtype=np.float32).ravel()

    def label_from_logits(
        self, logits: Array, active: Array, source_hw: tuple[int, int], network_hw: tuple[int, int]
    ) -> LabelMaps:
        """See `Kernels.label_from_logits`; interpolates and decides in float64, a band of rows at a time."""
        checks.check_label_logits(logits, active, source_hw, network_hw)
        checks.check_finite("logits", logits[np.asarray(active)])
        silenced = np.where(np.asarray(active)[:, :, None, None], logits.astype(np.float64), -np.inf)
        rows = _aligned_taps(source_hw[0], logits.shape[2])
        columns = _aligned_taps(source_hw[1], logits.shape[3])
        source = np.empty(source_hw, dtype=np.uint8)
        for start in range(0, source_hw[0], ROWS_AT_ONCE):
            band = slice(start, start + ROWS_AT_ONCE)
            upsampled = _interpolate(silenced, (rows[0][band], rows[1][band], rows[2][band]), axis=2)
            source[band] = _decide(_interpolate(upsampled, columns, axis=3))
        return LabelMaps(source, split_groups(source, len(logits), network_hw))

    def prepare_frame(self, frame: LabelMap, network_hw: tuple[int, int]) -> LabelMap:
        """See `Kernels.prepare_frame`; OpenCV's own resize."""
        checks.check_frame(frame, network_hw)
        resized = cv2.resize(frame, (network_hw[1], network_hw[0]), interpolation=cv2.INTER_CUBIC)
        return np.asarray(cv2.cvtColor(resized, cv2.COLOR_BGR2RGB), dtype=np.uint8)


def _softmax(logits: Double, axis: int) -> Double:
    raised = np.exp(logits - logits.max(axis=axis, keepdims=True))
    return np.asarray(raised / raised.sum(axis=axis, keepdims=True))


def _aligned_taps(outputs: int, inputs: int) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp], Double]:
    """Lower and upper source index and the upper one's weight, corners aligned."""
    position: Double = np.arange(outputs, dtype=np.float64)
    position *= (inputs - 1) / (outputs - 1) if outputs > 1 else 0.0
    low: npt.NDArray[np.intp] = np.minimum(position.astype(np.intp), inputs - 1)
    return low, np.minimum(low + 1, inputs - 1), position - low


def _interpolate(
    values: Double, taps: tuple[npt.NDArray[np.intp], npt.NDArray[np.intp], Double], axis: int
) -> Double:
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
    p = _softmax(logits, axis=1)
    background = p[:, 0].prod(axis=0)
    foreground = np.zeros((len(p) * 10, *background.shape))
    for group, probabilities in enumerate(p[:, 1:]):
        foreground[10 * group : 10 * group + len(probabilities)] = probabilities
    merged = np.concatenate([background[None], foreground])
    merged = merged.clip(PROBABILITY_FLOOR, 1.0 - PROBABILITY_FLOOR)
    return np.asarray(merged.argmax(axis=0), dtype=np.uint8)


def nearest_taps(outputs: int, inputs: int) -> npt.NDArray[np.intp]:
    """Source index of each output under cv2.INTER_NEAREST: floor(i * (inputs / outputs)), in double."""
    step = 1.0 / (outputs / inputs)
    return np.asarray(np.minimum(np.floor(np.arange(outputs) * step), inputs - 1), dtype=np.intp)


def split_groups(source: LabelMap, groups: int, network_hw: tuple[int, int]) -> LabelMap:
    """Reduces a label map to network size and gives each group its own ids 1..10.

    Args:
        source: uint8 (H, W), 10 * g + k for id k of group g.
        groups: G.
        network_hw: size of the network input.

    Returns:
        uint8 (G, Hn, Wn).
    """
    rows = nearest_taps(network_hw[0], source.shape[0])
    columns = nearest_taps(network_hw[1], source.shape[1])
    reduced = source[rows[:, None], columns[None]].astype(np.int16)
    first = 10 * np.arange(groups, dtype=np.int16)[:, None, None]
    own = (reduced > first) & (reduced <= first + 10)
    return np.where(own, reduced - first, 0).astype(np.uint8)
