"""Motion formulas keep their promises: starts, bounds, speeds, and affine algebra against NumPy's."""

from __future__ import annotations

import numpy as np
import pytest

from ermu.scenes.motion import (
    STILL,
    Absence,
    Pose,
    Wander,
    compose,
    draw_wander,
    invert,
    rotation,
    smoothstep,
)


@pytest.mark.parametrize("seed", range(10))
def test_a_wander_starts_where_told_stays_in_reach_and_keeps_its_speed(seed: int) -> None:
    rng = np.random.default_rng(seed)
    wander = draw_wander(rng, 30.0, 50.0, 40.0, 2.0)
    path = np.array([wander.at(t) for t in np.linspace(0, 300, 3001)])
    assert path[0] == pytest.approx(30.0)
    assert path.min() >= 10.0 - 1e-9 and path.max() <= 90.0 + 1e-9
    assert (
        np.abs(np.diff(path)).max() / 0.1 <= 2.0 * 1.6 + 1e-6
    )  # drift at most 1, sway at most 0.6 of the speed


def test_a_wander_without_reach_or_speed_stands_still() -> None:
    assert draw_wander(np.random.default_rng(0), 3.0, 0.0, 0.0, 1.0).at(17) == 3.0
    assert draw_wander(np.random.default_rng(0), 3.0, 0.0, 5.0, 0.0).at(17) == 3.0


def test_an_absence_is_away_in_between_and_at_rest_outside() -> None:
    absence = Absence(leaves=10, returns=40, ramp=8, shift_xy=(100.0, -20.0))
    assert absence.at(10) == absence.at(48) == (0.0, 0.0)
    assert absence.at(18) == absence.at(40) == (100.0, -20.0)
    assert absence.at(14) == pytest.approx((50.0, -10.0))
    assert smoothstep(-1) == 0 and smoothstep(0.5) == 0.5 and smoothstep(2) == 1


def test_a_pose_is_turn_times_form() -> None:
    pose = Pose(Wander(5.0), Wander(7.0), Wander(0.6), Wander(1.2), Wander(0.3), Wander(0.25))
    turn = np.array([[np.cos(0.6), -np.sin(0.6)], [np.sin(0.6), np.cos(0.6)]]) * np.exp(1.2)
    form = np.array([[np.exp(0.3), 0.25], [0, np.exp(-0.3)]])
    np.testing.assert_allclose(pose.at(0), np.column_stack([turn @ form, (5.0, 7.0)]))
    assert STILL.at(9) == 0.0


def test_affine_algebra() -> None:
    rng = np.random.default_rng(1)
    outer, inner = rng.normal(size=(2, 2, 3))
    square = [np.vstack([m, (0, 0, 1)]) for m in (outer, inner)]
    np.testing.assert_allclose(compose(outer, inner), (square[0] @ square[1])[:2])
    np.testing.assert_allclose(invert(outer), np.linalg.inv(square[0])[:2])
    turned = rotation(0.7, (3.0, 4.0), 2.0)
    np.testing.assert_allclose(turned @ (3.0, 4.0, 1.0), (3.0, 4.0))
    assert np.linalg.det(turned[:, :2]) == pytest.approx(4.0)
