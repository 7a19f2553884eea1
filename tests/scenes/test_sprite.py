"""A sprite's label is the warped outline, worked out here by geometry; the nearer hides the farther."""

from __future__ import annotations

import numpy as np
import pytest

from ermu.scenes.shapes import disc
from ermu.scenes.sprite import Ripple, paint, smear

RADIUS = 0.86  # of the canvas's half side: the disc's share of it


def picture(side: int, colour: tuple[int, int, int]) -> np.ndarray:
    flat = np.full((side, side, 3), colour, np.uint8)
    return np.dstack([flat, disc(side)])


def ellipse_distance(matrix: np.ndarray, size_hw: tuple[int, int]) -> np.ndarray:
    """Distance of every pixel from the warped disc's outline in sprite radii: negative inside."""
    y, x = np.mgrid[: size_hw[0], : size_hw[1]].astype(float)
    linear = np.linalg.inv(matrix[:, :2])
    points = np.stack([x - matrix[0, 2], y - matrix[1, 2]], axis=-1) @ linear.T
    return np.hypot(points[..., 0], points[..., 1]) - RADIUS


@pytest.mark.parametrize("angle", [0.0, 0.4, 2.0])
@pytest.mark.parametrize("scale", [(20.0, 20.0), (25.0, 12.0), (9.5, 31.0)])
def test_the_label_is_the_warped_outline(angle: float, scale: tuple[float, float]) -> None:
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    matrix = np.column_stack([turn @ np.diag(scale), (47.3, 38.9)])
    frame, label = np.zeros((80, 100, 3), np.uint8), np.zeros((80, 100), np.uint8)
    paint(frame, label, picture(64, (10, 200, 90)), matrix, ident=7)
    distance = ellipse_distance(matrix, (80, 100))
    clear = np.abs(distance) > 1.0 / min(scale)
    np.testing.assert_array_equal((label == 7)[clear], (distance < 0)[clear])
    assert clear.mean() > 0.85
    assert (frame[distance < -3 / min(scale)] == (10, 200, 90)).all()
    assert not frame[distance > 3 / min(scale)].any()


def test_the_nearer_sprite_hides_the_farther() -> None:
    frame, label = np.zeros((60, 80, 3), np.uint8), np.zeros((60, 80), np.uint8)
    far, near = (np.array([[20.0, 0, x], [0, 20.0, 30.0]]) for x in (30.0, 48.0))
    paint(frame, label, picture(64, (255, 0, 0)), far, ident=1)
    paint(frame, label, picture(64, (0, 0, 255)), near, ident=2)
    in_far, in_near = (ellipse_distance(m, (60, 80)) < -0.06 for m in (far, near))
    assert (label[in_near] == 2).all() and (
        label[in_far & (ellipse_distance(near, (60, 80)) > 0.06)] == 1
    ).all()
    assert (frame[in_near][:, 2] > 250).all()


def test_an_unlabelled_sprite_takes_the_label_away() -> None:
    frame, label = np.zeros((60, 60, 3), np.uint8), np.full((60, 60), 5, np.uint8)
    matrix = np.array([[20.0, 0, 30.0], [0, 20.0, 30.0]])
    paint(frame, label, picture(64, (1, 2, 3)), matrix, ident=0)
    assert label[30, 30] == 0 and label[2, 2] == 5


def test_a_sprite_outside_the_frame_changes_nothing() -> None:
    frame, label = np.zeros((40, 40, 3), np.uint8), np.zeros((40, 40), np.uint8)
    paint(frame, label, picture(64, (255, 255, 255)), np.array([[10.0, 0, -50.0], [0, 10.0, 20.0]]), ident=3)
    assert not frame.any() and not label.any()


def test_a_ripple_bends_by_its_formula() -> None:
    """One wave along y that pushes along x: row y of the disc moves by -amplitude * sin(k * v + phase)."""
    waves = np.array([[0.0, 2.0, 1.0, 0.0, 0.3], [0.0, 0.0, 0.0, 0.0, 0.0]])
    ripple = Ripple(0.1, waves, np.array([0.5, 0.0]))
    side, scale, centre = 129, 40.0, 50.0
    matrix = np.array([[scale, 0, centre], [0, scale, centre]])
    frame, label = np.zeros((101, 101, 3), np.uint8), np.zeros((101, 101), np.uint8)
    paint(frame, label, picture(side, (9, 9, 9)), matrix, ident=1, ripple=ripple, t=2.0)
    for row in (30, 50, 70):
        v = (row - centre) / scale
        wave_at = (v + 1) * (side - 1) / 2 / (side / 2)  # waves count from the canvas's corner, in radii
        shift = 0.1 * np.sin(2.0 * wave_at + 0.3 + 0.5 * 2.0) * (side / (side - 1))
        half = np.sqrt(RADIUS**2 - v**2)
        columns = np.flatnonzero(label[row])
        np.testing.assert_allclose(columns[0], centre + scale * (-half - shift), atol=1.2)
        np.testing.assert_allclose(columns[-1], centre + scale * (half - shift), atol=1.2)


def test_a_smear_spreads_a_point_evenly_along_its_direction() -> None:
    image = np.zeros((31, 31, 3), np.uint8)
    image[15, 15] = 250
    blurred = smear(image, (8.0, 0.0))[:, :, 0]
    assert not np.delete(blurred, 15, axis=0).any()
    spread = np.flatnonzero(blurred[15])
    assert 8 <= spread[-1] - spread[0] + 1 <= 10
    np.testing.assert_allclose(blurred[15].astype(int).sum(), 250, atol=6)
    np.testing.assert_array_equal(smear(image, (1.0, 1.0)), image)
