"""The oracle of scoring, as `docs/spec/ermu.md` reads."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ermu.kernels.base.scoring import (
    Scoring,
    check_foreground,
    check_masses,
    check_scoring,
    foreground_weights,
    logits_at_tokens,
    put_shares,
)
from ermu.kernels.base.tensor_checks import expect_finite, expect_output, expect_tensor
from ermu.kernels.numpy.key_gram import NumpyKeyGram
from ermu.types import Array

QUERIES_AT_ONCE = 64  # bounds the attention held at a time to 64 x T*N

Double = npt.NDArray[np.float64]


class NumpyScoring(Scoring):
    """Scoring in plain numpy: slow and exact."""

    name = "numpy"

    def frame_masses(self, query: Array, keys: Array, rows: Array, out: Array, *, heads: int) -> None:
        """See `Scoring.frame_masses`."""
        masses = self._masses(query, keys, rows, heads)
        expect_output("out", out, masses.shape, np.float32)
        out[:] = masses

    def relevance(
        self, query: Array, keys: Array, rows: Array, foreground: Array, out: Array, *, heads: int
    ) -> None:
        """See `Scoring.relevance`; every query counts, however small its foreground."""
        masses = self._masses(query, keys, rows, heads)
        expect_tensor("foreground", foreground, masses.shape[:1], np.float32)
        expect_output("out", out, masses.shape[1:], np.float64)
        put_shares(foreground_weights(foreground), masses, out)

    def weigh_masses(self, masses: Array, foreground: Array, out: Array) -> None:
        """See `Scoring.weigh_masses`."""
        check_masses(masses, foreground, out)
        put_shares(foreground_weights(foreground), masses, out)

    def key_gram(self, slots: int, channels: int) -> NumpyKeyGram:
        """See `Scoring.key_gram`."""
        return NumpyKeyGram(slots, channels)

    def foreground(self, logits: Array, active: Array, out: Array, *, align_corners: bool) -> None:
        """See `Scoring.foreground`."""
        check_foreground(logits, active, out, align_corners)
        at_tokens = logits_at_tokens(logits, active, align_corners, np.float64)
        expect_finite(logits=at_tokens)
        raised = np.exp(at_tokens - at_tokens.max(axis=0))
        out[:] = (raised[1:].sum(axis=0) / raised.sum(axis=0)).ravel()

    def _masses(self, query: Array, keys: Array, rows: Array, heads: int) -> Double:
        """(N, T), softmax over all keys of each head, a block of queries at a time."""
        shape = check_scoring(query, keys, rows, heads)
        expect_finite(query=query, keys=keys)
        split = (-1, heads, shape.head_channels)
        K = (keys.astype(np.float64) + rows.astype(np.float64)[:, None]).reshape(split).transpose(1, 2, 0)
        Q = query.astype(np.float64).reshape(split).transpose(1, 0, 2) * shape.scale
        masses = np.zeros((shape.tokens, shape.slots))
        for head in range(heads):
            for start in range(0, shape.tokens, QUERIES_AT_ONCE):
                block = slice(start, start + QUERIES_AT_ONCE)
                logits = Q[head, block] @ K[head]
                attention = np.exp(logits - logits.max(axis=1, keepdims=True))
                by_slot = attention.reshape(-1, shape.slots, shape.tokens).sum(axis=2)
                masses[block] += by_slot / by_slot.sum(axis=1, keepdims=True) / heads
        return masses
