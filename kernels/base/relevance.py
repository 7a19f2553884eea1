"""Decides which queries the relevance needs, and weighs their masses: the part that every device shares."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ermu.kernels.base import checks
from ermu.kernels.base.scoring import Array

NEGLIGIBLE = 1e-6  # share of the foreground that the queries left out may hold together


def checked_foreground(foreground: Array) -> npt.NDArray[np.float64]:
    """The foreground in float64; raises `KernelError` for a NaN or a negative probability."""
    weights = foreground.astype(np.float64)
    if not np.isfinite(weights).all() or weights.min() < 0:
        raise checks.nan_found("foreground (or a negative number)")
    return weights


def picked_queries(foreground: Array) -> npt.NDArray[np.int32]:
    """Indices of the queries to score, ascending: those left out hold under 1e-6 of the foreground together.

    Args:
        foreground: (N,) probability that a token is not background.

    Returns:
        int32 indices; none where the foreground is zero everywhere.
    """
    weights = checked_foreground(foreground)
    total = weights.sum()
    if total == 0:
        return np.empty(0, dtype=np.int32)
    ascending = np.argsort(weights, kind="stable")
    first = int(np.searchsorted(np.cumsum(weights[ascending]), NEGLIGIBLE * total))
    return np.sort(ascending[first:]).astype(np.int32)


def foreground_share(foreground: Array, masses: Array) -> npt.NDArray[np.float64]:
    """Relevance of each slot from every query's masses; uniform where the foreground is zero everywhere.

    Args:
        foreground: (N,) probability that a token is not background.
        masses: (N, T) as `Kernels.frame_masses` gives them.
    """
    weights = checked_foreground(foreground)
    if weights.sum() == 0:
        return np.full(masses.shape[1], 1.0 / masses.shape[1])
    return weighted_share(weights, masses)


def weighted_share(weights: Array, masses: Array) -> npt.NDArray[np.float64]:
    """Foreground-weighted mass of each slot, summing to 1: step 1 of `spec/ermu.md`."""
    weighted = weights.astype(np.float64) @ masses.astype(np.float64)
    return np.asarray(weighted / weighted.sum())
