"""When a frame is missing, by the stream's own rate."""

from __future__ import annotations

import pytest

from ermu.runtime.sources.cadence import Cadence


@pytest.mark.parametrize(("period", "patience"), [(0.04, 1.0), (0.5, 1.5), (2.0, 6.0)])
def test_three_periods_and_a_second_at_least(period: float, patience: float) -> None:
    cadence = Cadence()
    assert cadence.patience == 5.0
    for number in range(20):
        cadence.tick(100 + number * period)
    assert cadence.patience == pytest.approx(patience)


def test_one_gap_changes_little_and_an_outage_nothing() -> None:
    cadence = Cadence()
    for stamp in (0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 11.5, 12.0):
        cadence.tick(stamp)
    assert cadence.patience == 1.5
    cadence.interrupted()
    cadence.tick(500.0)
    assert cadence.patience == 1.5


def test_frames_that_were_read_together_tell_nothing_yet() -> None:
    cadence = Cadence()
    for stamp in (4.0, 4.001, 4.002, 6.0, 8.0, 10.0):
        cadence.tick(stamp)
        assert cadence.patience >= 5.0


def test_a_time_that_is_given_holds() -> None:
    cadence = Cadence(7.0)
    cadence.tick(0)
    cadence.tick(60)
    assert cadence.patience == 7.0
