"""Clips of a single picture: what moves, by how much, and that the mask moves along."""

from __future__ import annotations

import math

import numpy as np
import pytest

from ermu.training.data.augmentation.warp import random_affine, random_crop, warped


def _picture() -> tuple[np.ndarray, np.ndarray]:
    mask = np.zeros((120, 160), np.uint8)
    mask[30:90, 40:80] = 5
    mask[50:70, 90:130] = 9
    picture = np.full((120, 160, 3), 230, np.uint8)
    picture[mask == 5], picture[mask == 9] = (20, 20, 20), (120, 20, 20)
    return picture, mask


def test_picture_and_mask_move_together_and_every_frame_differs() -> None:
    picture, mask = _picture()
    for seed in range(12):
        sample = warped(np.random.default_rng(seed), picture, mask, 5, 129)
        assert sample.frames.shape == (5, 129, 129, 3) and sample.labels.shape == (5, 129, 129)
        assert set(np.unique(sample.labels)) <= {0, 1, 2}
        green = sample.frames[..., 1]
        assert (green[sample.labels > 0] < 90).mean() > 0.95
        assert (green[sample.labels == 0] > 90).mean() > 0.97  # 230, or 116 outside the picture
        assert all((a != b).any() for a, b in zip(sample.labels[:-1], sample.labels[1:], strict=True))


def test_affine_matrices_are_within_their_bounds() -> None:
    """Taken apart: turned by up to 20 degrees, sheared by 10, scaled by 0.9-1.1, shifted by a tenth."""
    angles, shears, scales, shifts = [], [], [], []
    for seed in range(400):
        matrix = random_affine(np.random.default_rng(seed), (100, 200))
        (a, b), (c, d) = matrix[:, :2]
        scales.append(math.hypot(a, c))  # the shear leaves x's axis alone
        angles.append(math.degrees(math.atan2(c, a)))
        shears.append(math.degrees(math.atan((a * b + c * d) / scales[-1] ** 2)))
        assert (a * d - b * c) == pytest.approx(scales[-1] ** 2)
        shifts.append(matrix @ (99.5, 49.5, 1) - (99.5, 49.5))
    for drawn, bound in (
        (angles, 20),
        (shears, 10),
        ([s[0] for s in shifts], 20),
        ([s[1] for s in shifts], 10),
    ):
        assert bound * 0.95 < max(drawn) <= bound + 1e-6 and -bound - 1e-6 <= min(drawn) < -bound * 0.95
    assert 0.9 <= min(scales) < 0.91 and 1.09 < max(scales) <= 1.1


def test_crops_are_within_their_bounds() -> None:
    for seed in range(200):
        rows, columns = random_crop(np.random.default_rng(seed), (300, 400))
        height, width = rows.stop - rows.start, columns.stop - columns.start
        assert rows.start >= 0 and rows.stop <= 300 and columns.start >= 0 and columns.stop <= 400
        assert 0.795 * 120000 <= height * width <= 120000
        assert 0.74 <= width / height <= 1.35
    rows, columns = random_crop(np.random.default_rng(0), (100, 1000))  # no such window: the middle
    assert (rows.start, rows.stop) == (0, 100) and (columns.start, columns.stop) == (433, 566)


def test_only_objects_of_the_first_frame_count() -> None:
    picture, mask = _picture()
    mask[:, 159] = 30  # a stripe that the first crop may cut away
    for seed in range(20):
        labels = warped(np.random.default_rng(seed), picture, mask, 4, 65).labels
        assert set(np.unique(labels)) <= {0, *np.unique(labels[0])}
