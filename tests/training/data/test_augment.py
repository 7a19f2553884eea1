"""What a clip is drawn from: frames in order, exact labels, shuffled ids."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from ermu.training.data.augment import augmented, frame_indices, shuffled_ids


@pytest.mark.parametrize(
    ("available", "count", "gap"), [(60, 5, 3), (7, 5, 3), (5, 5, 3), (3, 6, 2), (1, 3, 1)]
)
def test_frames_stay_in_the_video_and_move_by_at_most_the_gap(available: int, count: int, gap: int) -> None:
    for seed in range(50):
        frames = frame_indices(np.random.default_rng(seed), available, count, gap)
        assert len(frames) == count
        assert all(0 <= i < available for i in frames)
        assert all(abs(b - a) <= gap for a, b in pairwise(frames))
        if available >= count:
            assert len(set(frames)) == count


def test_both_directions_occur() -> None:
    clips = [frame_indices(np.random.default_rng(seed), 60, 4, 3) for seed in range(40)]
    forward = sum(clip == sorted(clip) for clip in clips)
    assert 5 < forward < 35
    assert all(clip in (sorted(clip), sorted(clip, reverse=True)) for clip in clips)


def test_ids_are_renamed_one_to_one_and_newcomers_become_background() -> None:
    labels = np.zeros((2, 20, 20), np.uint8)
    labels[0, :10, :10], labels[0, 10:, 10:], labels[:, 0, 19] = 3, 8, 255
    labels[1, :10, :10], labels[1, 10:, :10] = 8, 5
    renamed = []
    for seed in range(30):
        fresh, alive = shuffled_ids(np.random.default_rng(seed), labels)
        three, eight = fresh[0, 0, 0], fresh[0, 15, 15]
        assert three != eight and three > 0 and eight > 0
        assert set(np.flatnonzero(alive)) == {0, three, eight}
        assert (fresh[1, :10, :10] == eight).all()
        assert (fresh[1, 10:, :10] == 0).all()
        assert (fresh[:, 0, 19] == 255).all()
        renamed.append(three)
    assert len(set(renamed)) > 5


def test_more_than_ten_objects_leave_ten() -> None:
    labels = np.repeat(np.arange(1, 15, dtype=np.uint8), 40)[None].reshape(1, 14, 40)
    fresh, alive = shuffled_ids(np.random.default_rng(0), labels)
    assert alive.all()
    assert sorted(np.unique(fresh)) == list(range(11))
    assert (fresh == 0).sum() == 4 * 40


def test_clip_windows_frame_and_label_alike() -> None:
    """Pixels hold their object's id as colour: picture and label must agree after cutting and flipping."""
    label = np.kron(np.arange(12, dtype=np.uint8).reshape(3, 4) % 3, np.ones((40, 40), np.uint8))
    frame = np.repeat((label * 100)[:, :, None], 3, axis=2)
    for seed in range(20):
        clip = augmented(np.random.default_rng(seed), [frame, frame], [label, label], 65)
        assert clip.frames.shape == (2, 3, 65, 65) and clip.labels.shape == (2, 65, 65)
        assert (clip.labels[0] == clip.labels[1]).all()
        for number in np.unique(clip.labels):
            colours = clip.frames[0, 0][clip.labels[0] == number]
            common = np.bincount(colours).argmax()
            assert (colours == common).mean() > 0.8
