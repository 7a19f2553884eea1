"""How sure a difference between two runs is: objects drawn again and again, with replacement."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ermu.evaluation.scores import Report

RESAMPLES = 10_000
LEVEL = 0.95
_SEED = 0  # the same runs always have the same interval


class Interval(NamedTuple):
    """A mean, and between which bounds `LEVEL` of the resampled means lie."""

    mean: float
    low: float
    high: float


def gain(run: Report, reference: Report) -> Interval | None:
    """What a run's J-Mean has over another's, over the objects that both have scored.

    Objects are paired, so that what makes a clip hard for both cancels, and resampled as a whole: an object's
    frames are not independent (the percentile bootstrap, B. Efron, 1979).

    Args:
        run: The one.
        reference: The other, over the same sequences.

    Returns:
        In units of J; None where fewer than two objects can be compared.
    """
    ours, theirs = _by_object(run), _by_object(reference)
    common = [key for key in ours if key in theirs]
    if len(common) < 2:
        return None
    differences = np.array([ours[key] - theirs[key] for key in common])
    drawn = np.random.default_rng(_SEED).integers(len(common), size=(RESAMPLES, len(common)))
    tail = 100 * (1 - LEVEL) / 2
    low, high = np.percentile(differences[drawn].mean(axis=1), [tail, 100 - tail])
    return Interval(float(differences.mean()), float(low), float(high))


def _by_object(report: Report) -> dict[tuple[str, int], float]:
    """J of every object, by sequence and id."""
    return {
        (scores.sequence, i): float(np.mean(row))
        for scores in report.scores
        for i, row in zip(scores.ids, scores.j, strict=True)
        if row
    }
