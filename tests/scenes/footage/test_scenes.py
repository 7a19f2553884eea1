"""Footage scenes: the same bytes again, exact labels, joints that hold, a camera that starts at rest."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from ermu.scenes.actors import Part
from ermu.scenes.config import SceneConfig
from ermu.scenes.footage.camera import draw_hand_held
from ermu.scenes.footage.cast import draw_real_cast
from ermu.scenes.footage.figures import Segment, carried, runner
from ermu.scenes.motion import Matrix, invert
from ermu.scenes.scene import Scene

SMALL = SceneConfig(seed=5, size_hw=(96, 128), frames=40, objects=3, style="footage")
pytestmark = pytest.mark.usefixtures("packages")


def test_two_scenes_draw_the_same_bytes_in_any_order() -> None:
    first, second = Scene(SMALL), Scene(SMALL)
    wanted = [first[t] for t in (0, 9, 33)]
    for t, (frame, label) in zip((33, 9, 0), reversed(wanted), strict=True):
        again = second[t]
        np.testing.assert_array_equal(again[0], frame)
        np.testing.assert_array_equal(again[1], label)


@pytest.mark.parametrize("seed", range(6))
def test_every_object_shows_in_the_first_frame_and_no_other_id_does(seed: int) -> None:
    config = replace(SMALL, seed=seed, objects=seed % 4 + 1, appearance_change=True, leave_and_return=True)
    label = Scene(config)[0][1]
    assert set(np.unique(label)) - {0} == set(range(1, config.objects + 1))


def test_nothing_moves_at_motion_zero_but_what_the_light_does() -> None:
    scene = Scene(replace(SMALL, motion=0.0, effects=False))
    np.testing.assert_array_equal(scene[0][1], scene[30][1])


def test_a_shadow_belongs_to_nobody() -> None:
    frame, label = np.full((60, 60, 3), 200, np.uint8), np.full((60, 60), 7, np.uint8)
    casts = (draw_real_cast(replace(SMALL, seed=seed), np.random.default_rng(seed)) for seed in range(9))
    shadows = [a for cast in casts for a in cast if a.parts[0].sprite.pixels[:, :, :3].max() == 0]
    shadow = replace(shadows[0], parts=shadows[0].parts[:1], ident=3)
    still = (np.array([[1.0, 0, 30], [0, 1, 30]]),) * 2
    shadow.paint(frame, label, 0, still, 0.0)
    assert frame.min() < 190 and np.all(label == 7)


def test_the_camera_begins_at_rest_and_then_shakes() -> None:
    moving = [draw_hand_held(SMALL, np.random.default_rng(seed)) for seed in range(12)]
    assert all(np.allclose(camera.at(0), np.eye(2, 3)) for camera in moving)
    # What is carried along (parallax 0) still trembles, for it is the camera that turns.
    trembling = [camera for camera in moving if not np.allclose(camera.at(3, 0.0)[:, 2], 0, atol=0.05)]
    assert 3 <= len(trembling) < 12


def figure() -> tuple[Part, ...]:
    return runner(SMALL, (6, 1), np.random.default_rng(3), 64, False)


def at(matrix: Matrix, x: float, y: float) -> np.ndarray:
    return matrix @ (x, y, 1)


@pytest.mark.parametrize("place", [np.eye(2, 3), np.array([[0.5, 0, 0.2], [0, 0.5, -0.3]])])
def test_lower_limbs_hang_where_upper_ones_end(place: Matrix) -> None:
    parts = [carried(part, place) for part in figure()]
    limbs = [
        (lower, upper) for lower, upper in pairwise(parts)
        if isinstance(lower, Segment) and lower.upper is upper.swing
    ]  # fmt: skip
    assert len(limbs) == 4
    for lower, upper in limbs:
        # The ends of both rods that meet at the joint, in their canvases' own coordinates.
        top, bottom = (at(invert(part.place), *lower.pivot_xy) for part in (lower, upper))
        spots = [(at(lower.at(t), *top), at(upper.at(t), *bottom)) for t in (0.0, 3.0, 11.0)]
        assert all(np.allclose(a, b) for a, b in spots)
        assert not np.allclose(spots[0][0], spots[1][0])
