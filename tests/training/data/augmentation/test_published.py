"""The published augmentation: sizes, padding, what is kept of the objects, and what v2 adds."""

from __future__ import annotations

import numpy as np
import pytest

from ermu.training.data.augmentation.published import PADDING, V2, augmented


def _picture() -> tuple[np.ndarray, np.ndarray]:
    """480 x 640: a large object 7 on the left, a small one 3 in the middle, colours by id."""
    label = np.zeros((480, 640), np.uint8)
    label[:, :300], label[200:206, 320:326] = 7, 3
    frame = np.full((480, 640, 3), 200, np.uint8)
    frame[label == 7] = (10, 60, 90)
    return frame, label


def test_frame_and_label_are_cut_alike_and_padded() -> None:
    """The short edge becomes 480 x 0.7 to 1.3: below 465 px there is padding, of the mean colour."""
    frame, label = _picture()
    padded, scales = [], []
    for seed in range(24):
        sample = augmented(np.random.default_rng(seed), [frame, frame], [label, label], 465)
        assert sample.frames.shape == (2, 465, 465, 3) and sample.labels.shape == (2, 465, 465)
        outside = (sample.frames[0] == PADDING).all(-1)
        assert not sample.labels[0][outside].any()
        rows = np.flatnonzero(~outside.all(axis=1))
        padded.append(len(rows) < 465)
        scales.append(len(rows) / 480)
        red = sample.frames[0, :, :, 0]
        assert (red[sample.labels[0] == 1] < 40).mean() > 0.97
        assert (red[(sample.labels[0] == 0) & ~outside] > 150).mean() > 0.97
    assert 3 < sum(padded) < 21  # 0.7 to 0.97 of 0.7 to 1.3
    assert 0.7 <= min(scales) < 0.8


def test_small_crops_scale_in_proportion() -> None:
    """For crops of 65 px the short edge is 67 px times the scale: a crop still shows most of the picture."""
    frame, label = _picture()
    for seed in range(20):
        sample = augmented(np.random.default_rng(seed), [frame], [label], 65)
        shown = (~(sample.frames[0] == PADDING).all(-1)).sum() / 65**2
        assert shown > 0.4


def test_small_objects_become_background() -> None:
    """Six pixels square are 36 to 61 at these scales, and 100 are asked for."""
    frame, label = _picture()
    for seed in range(10):
        sample = augmented(np.random.default_rng(seed), [frame], [label], 465)
        assert set(np.unique(sample.labels)) <= {0, 1}


def test_windows_look_for_an_object() -> None:
    """A random window shows this object in some 7% of the cases; of five, one does in some 30%."""
    label = np.zeros((480, 2000), np.uint8)
    label[:, :60] = 1
    frame = np.zeros((480, 2000, 3), np.uint8)
    shown = [augmented(np.random.default_rng(s), [frame], [label], 65).labels.any() for s in range(400)]
    # At scale s the video is 67 s high and 279.6 s wide; the object, 8.4 s wide, needs 100 px of 67 s (or 65)
    # rows, so two columns of it must be in: of 279.6 s - 64 places, 8.4 s - 1 are good.
    scales = np.linspace(0.7, 1.3, 61)
    chance = (8.4 * scales - 1) / (279.6 * scales - np.minimum(65, 279.6 * scales) + 1)
    assert np.mean(shown) == pytest.approx(np.mean(1 - (1 - chance) ** 5), abs=0.05)


def test_both_flips_occur_and_all_frames_share_one() -> None:
    frame, label = _picture()
    sides = set()
    for seed in range(12):
        labels = augmented(np.random.default_rng(seed), [frame, frame], [label, label], 465).labels
        assert (labels[0] == labels[1]).all()
        columns = np.flatnonzero((labels[0] == 1).any(axis=0))
        if 0 < len(columns) < 400:
            sides.add(bool(columns.mean() > 232))
    assert sides == {True, False}


def test_v2_changes_colours_frame_by_frame_and_nothing_else() -> None:
    frame, label = _picture()
    plain = augmented(np.random.default_rng(4), [frame] * 6, [label] * 6, 65)
    changed = augmented(np.random.default_rng(4), [frame] * 6, [label] * 6, 65, V2)
    assert (plain.labels == changed.labels).all()
    outside = (plain.frames == PADDING).all(-1)
    assert (changed.frames[outside] == PADDING).all()
    means = changed.frames.reshape(6, -1, 3).mean(axis=1)
    assert len({tuple(mean.round().tolist()) for mean in means}) > 2
    assert (V2.jitter.brightness, V2.jitter.contrast, V2.jitter.saturation, V2.jitter.hue) == (
        0.4,
        0.4,
        0.2,
        0.1,
    )
    assert (V2.jitter_chance, V2.grey_chance, V2.blur_chance) == pytest.approx((0.8, 0.2, 0.3))
