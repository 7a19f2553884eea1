"""The schedule at the steps where its values are known."""

from __future__ import annotations

import pytest

from ermu.training.learning.schedule import Schedule


def test_learning_rate_warms_up_then_falls_polynomially() -> None:
    schedule = Schedule(steps=101, rate=2e-4, final_rate=1e-5, warm_up=0.05)
    assert [schedule.learning_rate(s) for s in range(5)] == pytest.approx(
        [4.8e-5, 8.6e-5, 1.24e-4, 1.62e-4, 2e-4]  # from 1e-5, in fifths of 1.9e-4
    )
    assert schedule.learning_rate(5) == pytest.approx(2e-4)
    assert schedule.learning_rate(100) == pytest.approx(1e-5)
    # 95 steps after the warm-up; 38 of them leave 57 / 95 = 0.6.
    assert schedule.learning_rate(43) == pytest.approx(1e-5 + 1.9e-4 * 0.6**0.9)


def test_hardest_pixels_shrink_over_the_first_half() -> None:
    schedule = Schedule(steps=100, rate=1.0, final_rate=0.0)
    assert [schedule.hardest_pixels(s) for s in (0, 25, 50, 99)] == pytest.approx([1, 0.575, 0.15, 0.15])


def test_a_parts_rate_is_its_share_of_what_lies_above_the_final_rate() -> None:
    schedule = Schedule(steps=101, rate=2e-4, final_rate=1e-5, warm_up=0.05)
    assert schedule.learning_rate(4, 0.1) == pytest.approx(1e-5 + 0.1 * 1.9e-4)
    assert schedule.learning_rate(100, 0.1) == pytest.approx(1e-5)


def test_rates_may_start_from_nothing_and_be_shares_of_the_whole() -> None:
    schedule = Schedule(steps=101, rate=2e-4, final_rate=1e-5, warm_up=0.05, above_final=False)
    assert [schedule.learning_rate(s) for s in range(5)] == pytest.approx([4e-5, 8e-5, 1.2e-4, 1.6e-4, 2e-4])
    assert schedule.learning_rate(4, 0.1) == pytest.approx(2e-5)
    assert schedule.learning_rate(100, 0.15) == pytest.approx(1.5e-6)


def test_reference_weight_may_vanish_early() -> None:
    """In the first stage of the zoo, over the first tenth."""
    schedule = Schedule(steps=100, rate=1.0, final_rate=0.0, reference_until=0.1)
    assert [schedule.reference_weight(s) for s in (0, 5, 10, 60)] == pytest.approx([1, 0.5, 0, 0])


def test_reference_weight_falls_and_own_predictions_begin() -> None:
    schedule = Schedule(steps=100, rate=1.0, final_rate=0.0)
    assert [schedule.reference_weight(s) for s in (0, 30, 100)] == pytest.approx([1, 0.7, 0])
    assert [schedule.own_predictions(s) for s in (0, 49, 50, 99)] == [False, False, True, True]


def test_training_without_warm_up_begins_at_full_rate() -> None:
    assert Schedule(steps=10, rate=1.0, final_rate=0.0, warm_up=0.0).learning_rate(0) == 1.0
