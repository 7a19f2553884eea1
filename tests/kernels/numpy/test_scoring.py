"""The oracle itself, against the published system's recorded evictions and cases worked by hand."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from ermu.errors import KernelError
from ermu.kernels.base.scoring import ScoreConstants
from ermu.kernels.numpy.scoring import ReferenceKernels, nearest_taps, redundancy_direct
from tests.kernels.kernel_cases import Event

KERNELS = ReferenceKernels()


def relevance_of(event: Event) -> npt.NDArray[np.float64]:
    weighted = event.foreground.astype(np.float64) @ event.mass
    return weighted / weighted.sum()


def test_golden_eviction(event: Event, constants: ScoreConstants) -> None:
    slots = np.arange(len(event.keys))
    eviction = KERNELS.choose_eviction(
        relevance_of(event), redundancy_direct(event.keys), event.previous, slots, constants
    )
    assert event.held[eviction.slot] == event.dropped
    np.testing.assert_allclose(eviction.relevance, [event.means_after[f] for f in event.held], atol=1e-5)
    np.testing.assert_allclose(eviction.scores, event.scores, atol=1e-5)


def test_golden_foreground(event: Event) -> None:
    foreground = KERNELS.foreground(event.logits, np.ones(11, dtype=np.bool_))
    np.testing.assert_allclose(foreground, event.foreground, atol=1e-5)


def test_incremental_redundancy_is_the_direct_one(event: Event) -> None:
    """Rows are taken out of the golden keys and given back separately, slots written in another order."""
    rows = (
        np.random.default_rng(event.number)
        .normal(size=(len(event.keys), event.keys.shape[2]))
        .astype(np.float32)
    )
    plain = event.keys.astype(np.float64) - rows[:, None]
    gram = KERNELS.key_gram(1, event.keys.shape[2])
    for slot in (0, 1, 2, 3):
        gram.update(slot, np.roll(plain, 1, axis=0)[: slot + 1].astype(np.float32))
    for slot in (2, 0, 3, 1):
        held = plain.astype(np.float32)
        gram.update(slot, held)
    with_rows = held.astype(np.float64) + rows[:, None]
    np.testing.assert_array_equal(gram.redundancy(rows), redundancy_direct(with_rows))


def test_redundancy_worked_by_hand() -> None:
    """One channel, two tokens: slots 0 and 1 are parallel (cosine 1), slot 2 is orthogonal to both."""
    keys = np.array([[[3.0], [4.0]], [[6.0], [8.0]], [[-4.0], [3.0]]])
    np.testing.assert_array_equal(redundancy_direct(keys), [0.5, 0.5, 0.0])
    np.testing.assert_array_equal(redundancy_direct(np.zeros((3, 2, 4))), np.zeros(3))


def test_masses_worked_by_hand() -> None:
    """q . k / sqrt(4) is ln 2 for slot 0's one key and 0 for slot 1's: masses 2/3 and 1/3."""
    query = np.zeros((1, 4), dtype=np.float32)
    query[0, 0] = 2 * np.log(2.0)
    keys = np.zeros((2, 1, 4), dtype=np.float32)
    rows = np.zeros((2, 4), dtype=np.float32)
    rows[0, 0] = 1.0
    np.testing.assert_allclose(KERNELS.frame_masses(query, keys, rows, heads=1), [[2 / 3, 1 / 3]], rtol=1e-6)


def test_relevance_of_an_empty_foreground_is_uniform() -> None:
    draw = np.random.default_rng(0).normal(size=(6, 5, 8)).astype(np.float32)
    relevance = KERNELS.relevance(draw[0], draw[1:], draw[0][:5], np.zeros(5, dtype=np.float32), heads=2)
    np.testing.assert_array_equal(relevance, np.full(5, 0.2))


def test_choice_spares_the_first_frame_and_takes_the_oldest_of_equals() -> None:
    constants = ScoreConstants(4.0, 10.0, 0.4)
    order = np.array([2, 3, 0, 1])
    same = np.full(4, 0.25)
    eviction = KERNELS.choose_eviction(same, same, np.full(4, np.nan), order, constants)
    assert eviction.slot == 3
    lowest_first = np.array([0.3, 0.3, 0.1, 0.3])
    eviction = KERNELS.choose_eviction(
        lowest_first, same, np.array([np.nan, 0.0, 0.0, 0.1]), order, constants
    )
    assert eviction.slot == 1
    np.testing.assert_allclose(eviction.relevance, [0.3, 0.24, 0.08, 0.26])


@pytest.mark.parametrize("source_hw", [(180, 320), (177, 321), (1, 7)])
def test_golden_labels(event: Event, source_hw: tuple[int, int]) -> None:
    """One group's labels are the arg-max of an interpolation done pixel by pixel, independently."""
    logits = event.logits.astype(np.float64)
    y = np.linspace(0, logits.shape[1] - 1, source_hw[0]) if source_hw[0] > 1 else np.zeros(1)
    x = np.linspace(0, logits.shape[2] - 1, source_hw[1])
    across = np.stack(
        [[np.interp(x, np.arange(logits.shape[2]), row) for row in channel] for channel in logits]
    )
    up = np.stack(
        [np.stack([np.interp(y, np.arange(logits.shape[1]), c) for c in channel.T]).T for channel in across]
    )
    maps = KERNELS.label_from_logits(
        logits[None].astype(np.float32), np.ones((1, 11), bool), source_hw, (65, 129)
    )
    assert (maps.source == up.argmax(axis=0)).mean() > 0.9999
    expected = cv2.resize(maps.source, (129, 65), interpolation=cv2.INTER_NEAREST)
    np.testing.assert_array_equal(maps.network[0], expected)


def test_silenced_identity_never_appears() -> None:
    logits = np.zeros((1, 11, 5, 5), dtype=np.float32)
    logits[0, 7] = 9.0
    logits[0, 3] = 1.0
    active = np.ones((1, 11), dtype=np.bool_)
    active[0, 7] = False
    assert set(np.unique(KERNELS.label_from_logits(logits, active, (9, 9), (17, 17)).source)) == {3}


def test_groups_are_merged_by_probability() -> None:
    """Group 0 gives id 2 probability 0.5; group 1 gives its id 4 0.6; the background is 0.5 * 0.4."""
    logits = np.full((2, 11, 2, 2), -40.0, dtype=np.float32)
    logits[0, [0, 2]] = np.log(0.5)
    logits[1, 0], logits[1, 4] = np.log(0.4), np.log(0.6)
    maps = KERNELS.label_from_logits(logits, np.ones((2, 11), dtype=np.bool_), (3, 3), (3, 3))
    assert set(np.unique(maps.source)) == {14}
    assert set(np.unique(maps.network[0])) == {0} and set(np.unique(maps.network[1])) == {4}
    logits[1, 0], logits[1, 4] = np.log(0.99), np.log(0.01)
    maps = KERNELS.label_from_logits(logits, np.ones((2, 11), dtype=np.bool_), (3, 3), (3, 3))
    assert set(np.unique(maps.source)) == {2}


def test_nearest_is_opencvs() -> None:
    line = np.arange(2000, dtype=np.float32)[None]
    for inputs in (1, 7, 320, 640, 853, 1920):
        for outputs in (1, 16, 49, 321, 641, 913):
            expected = cv2.resize(line[:, :inputs], (outputs, 1), interpolation=cv2.INTER_NEAREST)
            np.testing.assert_array_equal(nearest_taps(outputs, inputs), expected[0])


def test_frame_is_resized_and_turned_to_rgb() -> None:
    frame = np.zeros((8, 8, 3), dtype=np.uint8)
    frame[..., 0], frame[..., 2] = 10, 200
    assert KERNELS.prepare_frame(frame, (17, 33))[5, 5].tolist() == [200, 0, 10]


def test_bad_input_is_refused() -> None:
    good = np.zeros((2, 5, 8), dtype=np.float32)
    nan = good[0].copy()
    nan[3, 3] = np.nan
    rows = np.zeros((2, 8), dtype=np.float32)
    with pytest.raises(KernelError, match="not a number"):
        KERNELS.frame_masses(nan, good, rows, heads=2)
    with pytest.raises(KernelError, match="heads"):
        KERNELS.frame_masses(good[0], good, rows, heads=3)
    with pytest.raises(KernelError, match="float64"):
        KERNELS.frame_masses(good[0].astype(np.float64), good, rows, heads=2)
    with pytest.raises(KernelError, match="shape"):
        KERNELS.frame_masses(good[0], good, rows[:1], heads=2)
    with pytest.raises(KernelError, match="never taken in"):
        KERNELS.key_gram(2, 8).redundancy(rows)
