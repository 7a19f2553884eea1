"""The oracle of scoring, against the published system's recorded evictions and cases worked by hand."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from ermu.errors import KernelError
from ermu.kernels.loading import numpy_kernels
from ermu.kernels.numpy.key_gram import redundancy_direct
from tests.kernels.calls import Caller
from tests.kernels.kernel_cases import HEADS, Event, Scoring, choose, random_logits, random_scoring

ORACLE = Caller(numpy_kernels())


def relevance_of(event: Event) -> npt.NDArray[np.float64]:
    weighted = event.foreground.astype(np.float64) @ event.mass
    return weighted / weighted.sum()


def test_golden_eviction(event: Event) -> None:
    choice = choose(event, relevance_of(event), redundancy_direct(event.keys))
    assert event.held[choice.slot] == event.dropped
    np.testing.assert_allclose(choice.relevance, [event.means_after[f] for f in event.held], atol=1e-5)
    np.testing.assert_allclose(choice.scores, event.scores, atol=1e-5)


def test_golden_masses_and_relevance(event: Event) -> None:
    """The queries are this project's, within 2e-5 of the published network's in the masses they give."""
    rows = np.zeros((len(event.keys), event.keys.shape[2]), dtype=np.float32)
    case = Scoring(event.query, event.keys, rows, HEADS[event.model])
    masses = ORACLE.frame_masses(case)
    np.testing.assert_allclose(masses, event.mass, atol=4e-5)
    relevance = ORACLE.relevance(case, event.foreground)
    np.testing.assert_allclose(relevance, relevance_of(event), atol=2e-5)
    np.testing.assert_allclose(ORACLE.weigh_masses(masses, event.foreground), relevance, rtol=1e-6)


def test_golden_foreground(event: Event) -> None:
    foreground = ORACLE.foreground(event.logits, np.ones(11, dtype=np.bool_))
    np.testing.assert_allclose(foreground, event.foreground, atol=1e-5)


def test_half_pixel_foreground_is_that_of_opencvs_resize() -> None:
    """Without aligned corners a token sees the logits as cv2.INTER_LINEAR, with half-pixel centres, does."""
    logits, active = random_logits(1, 12, 20)
    resized = np.stack([cv2.resize(c.astype(np.float64), (5, 3)) for c in logits[0, active[0]]])
    raised = np.exp(resized)
    found = ORACLE.foreground(logits[0], active[0], align_corners=False)
    np.testing.assert_allclose(found, (1 - raised[0] / raised.sum(axis=0)).ravel(), atol=1e-6)
    with pytest.raises(KernelError, match="4h-3, 4w-3"):
        ORACLE.foreground(logits[0], active[0])


def test_incremental_redundancy_is_the_direct_one(event: Event) -> None:
    """Rows are taken out of the golden keys and given back separately, slots written in another order."""
    draw = np.random.default_rng(event.number)
    rows = draw.normal(size=(len(event.keys), event.keys.shape[2])).astype(np.float32)
    plain = event.keys.astype(np.float64) - rows[:, None]
    gram = ORACLE.kernels.scoring.key_gram(1, event.keys.shape[2])
    for slot in (0, 1, 2, 3):
        ORACLE.update(gram, slot, np.roll(plain, 1, axis=0)[: slot + 1].astype(np.float32))
    for slot in (2, 0, 3, 1):
        held = plain.astype(np.float32)
        ORACLE.update(gram, slot, held)
    with_rows = held.astype(np.float64) + rows[:, None]
    np.testing.assert_array_equal(ORACLE.redundancy(gram, rows), redundancy_direct(with_rows))


def test_redundancy_worked_by_hand() -> None:
    """One channel, two tokens: slots 0 and 1 are parallel (cosine 1), slot 2 is orthogonal to both."""
    keys = np.array([[[3.0], [4.0]], [[6.0], [8.0]], [[-4.0], [3.0]]])
    np.testing.assert_array_equal(redundancy_direct(keys), [0.5, 0.5, 0.0])
    np.testing.assert_array_equal(redundancy_direct(np.zeros((3, 2, 4))), np.zeros(3))


def test_masses_worked_by_hand() -> None:
    """q . k / sqrt(4) is ln 2 for slot 0's one key and 0 for slot 1's: masses 2/3 and 1/3."""
    query = np.zeros((1, 4), dtype=np.float32)
    query[0, 0] = 2 * np.log(2.0)
    keys, rows = np.zeros((2, 1, 4), dtype=np.float32), np.zeros((2, 4), dtype=np.float32)
    rows[0, 0] = 1.0
    masses = ORACLE.frame_masses(Scoring(query, keys, rows, 1))
    np.testing.assert_allclose(masses, [[2 / 3, 1 / 3]], rtol=1e-6)


def test_masses_weighed_by_hand() -> None:
    masses = np.array([[0.75, 0.25], [0.5, 0.5]], dtype=np.float32)
    relevance = ORACLE.weigh_masses(masses, np.array([1.0, 0.5], dtype=np.float32))
    np.testing.assert_allclose(relevance, [2 / 3, 1 / 3])


def test_relevance_of_an_empty_foreground_is_uniform() -> None:
    case, nothing = random_scoring(5, 7, 2, 4), np.zeros(7, dtype=np.float32)
    np.testing.assert_array_equal(ORACLE.relevance(case, nothing), np.full(5, 0.2))
    np.testing.assert_array_equal(ORACLE.weigh_masses(np.ones((7, 5), np.float32), nothing), np.full(5, 0.2))


def test_bad_input_is_refused() -> None:
    scoring = ORACLE.kernels.scoring
    good, rows = np.zeros((2, 5, 8), dtype=np.float32), np.zeros((2, 8), dtype=np.float32)
    out = np.empty((5, 2), dtype=np.float32)
    nan = good[0].copy()
    nan[3, 3] = np.nan
    with pytest.raises(KernelError, match="not a number"):
        scoring.frame_masses(nan, good, rows, out, heads=2)
    with pytest.raises(KernelError, match="heads"):
        scoring.frame_masses(good[0], good, rows, out, heads=3)
    with pytest.raises(KernelError, match="float64"):
        scoring.frame_masses(good[0].astype(np.float64), good, rows, out, heads=2)
    with pytest.raises(KernelError, match="shape"):
        scoring.frame_masses(good[0], good, rows[:1], out, heads=2)
    with pytest.raises(KernelError, match="out has shape"):
        scoring.frame_masses(good[0], good, rows, out[:3], heads=2)
    with pytest.raises(KernelError, match="in place"):
        scoring.frame_masses(good[0], good, rows, np.empty((2, 5), np.float32).T, heads=2)
    with pytest.raises(KernelError, match="never taken in"):
        scoring.key_gram(2, 8).redundancy(rows, np.empty(2))
    with pytest.raises(KernelError, match="negative"):
        scoring.weigh_masses(out, -np.ones(5, np.float32), np.empty(2))
