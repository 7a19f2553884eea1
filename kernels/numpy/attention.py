"""The oracle of attention over a memory bank and in a window, as `docs/spec/network.md` reads."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ermu.kernels.base.attention import (
    WINDOW_RADIUS,
    Attention,
    CacheShape,
    KeyValueCache,
    SlotCodes,
    cache_shape,
    check_codes,
    check_precision,
    check_read,
    check_window,
    check_write,
)
from ermu.kernels.base.tensor_checks import expect_finite
from ermu.types import Array

QUERIES_AT_ONCE = 64  # bounds the attention held at a time to 64 x T*N

Double = npt.NDArray[np.float64]


class NumpyKeyValueCache(KeyValueCache):
    """Keys and values as they came; every read builds its attention, some queries at a time.

    Args:
        shape: Sizes of the bank.
    """

    precision = "fp32"

    def __init__(self, shape: CacheShape) -> None:
        self._shape = shape
        self._keys: list[Double] = []
        self._values: list[Double] = []

    def write(self, slot: int, key: Array, value: Array) -> None:
        """See `KeyValueCache.write`."""
        check_write(self._shape, len(self._keys), slot, key, value)
        expect_finite(key=key, value=value)
        if slot == len(self._keys):
            self._keys.append(np.empty(0))
            self._values.append(np.empty(0))
        self._keys[slot], self._values[slot] = key.astype(np.float64), value.astype(np.float64)

    def read(self, query: Array, rows: Array, out: Array, masses: Array | None = None) -> None:
        """See `KeyValueCache.read`."""
        shape = self._shape
        slots = check_read(shape, len(self._keys), query, rows, out, masses)
        expect_finite(query=query, rows=rows)
        K = np.stack(self._keys[:slots]) + rows.astype(np.float64)[:, None]
        K = K.reshape(slots * shape.tokens, shape.heads, -1)
        V = np.stack(self._values[:slots]).reshape(slots * shape.tokens, shape.heads, -1)
        Q = query.astype(np.float64).reshape(shape.tokens, shape.heads, -1) / math.sqrt(shape.key_head)
        for start in range(0, shape.tokens, QUERIES_AT_ONCE):
            block = slice(start, start + QUERIES_AT_ONCE)
            A = _softmax(np.einsum("qhc,khc->hqk", Q[block], K, optimize=True))
            out[block] = np.einsum("hqk,khc->qhc", A, V, optimize=True).reshape(-1, shape.value_width)
            if masses is not None:
                masses[block] = A.reshape(shape.heads, -1, slots, shape.tokens).sum(axis=3).mean(axis=0)

    def codes(self, slot: int) -> SlotCodes:
        """See `KeyValueCache.codes`."""
        key, value = (held[slot].astype(np.float32) for held in (self._keys, self._values))
        return SlotCodes.plain(key, value, self._shape.heads)

    def put(self, codes: SlotCodes) -> None:
        """See `KeyValueCache.put`."""
        check_codes(self._shape, codes)
        self.write(len(self._keys), *codes.numbers)

    def sharing(self, slots: Sequence[int]) -> NumpyKeyValueCache:
        """See `KeyValueCache.sharing`."""
        cache = NumpyKeyValueCache(self._shape)
        cache._keys = [self._keys[slot] for slot in slots]
        cache._values = [self._values[slot] for slot in slots]
        return cache


class NumpyAttention(Attention):
    """Attention in float64; the precision asked for changes nothing."""

    name = "numpy"
    precisions = ("fp32",)

    def cache(
        self,
        slots: int,
        tokens: int,
        heads: int,
        key_width: int,
        value_width: int,
        *,
        precision: str = "fp32",
    ) -> NumpyKeyValueCache:
        """See `Attention.cache`."""
        check_precision(precision, self.precisions)
        return NumpyKeyValueCache(cache_shape(slots, tokens, heads, key_width, value_width))

    def window(
        self,
        query: Array,
        key: Array,
        value: Array,
        bias: Array,
        hw: tuple[int, int],
        out: Array,
        relative: Array | None = None,
    ) -> None:
        """See `Attention.window`."""
        heads = check_window(query, key, value, bias, hw, out, relative)
        expect_finite(query=query, key=key, value=value, bias=bias)
        if relative is not None:
            expect_finite(relative=relative)
        Q, K, V = (t.astype(np.float64).reshape(len(t), heads, -1) for t in (query, key, value))
        Q /= math.sqrt(Q.shape[2])
        for token in range(len(Q)):
            seen, places = _window(token, hw)
            logits = np.einsum("hc,khc->hk", Q[token], K[seen]) + bias[:, token, places]
            placed = V[seen] if relative is None else V[seen] + relative[:, places].swapaxes(0, 1)
            out[token] = np.einsum("hk,khc->hc", _softmax(logits), placed).ravel()


def _window(token: int, hw: tuple[int, int]) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """The tokens that a token's window holds, and their places in it."""
    ys, xs = np.divmod(np.arange(hw[0] * hw[1]), hw[1])
    dy, dx = (at - at[token] + WINDOW_RADIUS for at in (ys, xs))
    side = 2 * WINDOW_RADIUS + 1
    seen = np.flatnonzero((dy >= 0) & (dy < side) & (dx >= 0) & (dx < side))
    return seen, (dy * side + dx)[seen]


def _softmax(logits: Double) -> Double:
    raised = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(raised / raised.sum(axis=-1, keepdims=True))
