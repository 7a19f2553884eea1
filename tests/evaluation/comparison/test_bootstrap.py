"""Confidence in a difference, beside the closed form and by hand."""

from __future__ import annotations

import numpy as np
import pytest

from ermu.evaluation.comparison.bootstrap import gain
from ermu.evaluation.scores import Report, SequenceScores


def _report(j: dict[str, list[list[float]]]) -> Report:
    return Report(
        tuple(
            SequenceScores(name, ("1",), tuple(map(tuple, rows)), ids=tuple(range(1, len(rows) + 1)))
            for name, rows in j.items()
        ),
        {},
    )


def test_the_interval_is_the_normal_one_where_objects_are_many() -> None:
    """The mean of 400 differences is normal: 1.96 standard errors on both sides."""
    draw = np.random.default_rng(1)
    reference, better = draw.uniform(0.3, 0.6, 400), draw.normal(0.05, 0.1, 400)
    ours = _report(
        {f"s{i}": [[float(a + b)]] for i, (a, b) in enumerate(zip(reference, better, strict=True))}
    )
    found = gain(ours, _report({f"s{i}": [[float(a)]] for i, a in enumerate(reference)}))
    assert found is not None
    error = 1.96 * better.std() / np.sqrt(400)
    assert found.mean == pytest.approx(better.mean())
    assert found.low == pytest.approx(better.mean() - error, abs=0.1 * error)
    assert found.high == pytest.approx(better.mean() + error, abs=0.1 * error)


def test_objects_are_paired_and_frames_averaged() -> None:
    """Both objects gain 0.1: whichever are drawn, the mean is that. Objects of one run alone are out."""
    reference = {"a": [[0.1, 0.3], [0.9]], "b": []}
    found = gain(_report({"a": [[0.2, 0.4], [1.0]], "b": [[0.5]]}), _report(reference))
    assert found == pytest.approx((0.1, 0.1, 0.1))


def test_one_object_says_nothing() -> None:
    assert gain(_report({"a": [[0.2]]}), _report({"a": [[0.1]]})) is None
