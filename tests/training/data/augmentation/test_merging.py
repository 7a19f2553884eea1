"""Two clips in one, worked out by hand."""

from __future__ import annotations

import numpy as np

from ermu.training.data.augmentation.merging import merged
from ermu.training.data.sample import Sample


def _sample(value: int) -> Sample:
    return Sample(np.full((2, 30, 30, 3), value, np.uint8), np.zeros((2, 30, 30), np.uint8))


def test_the_second_clips_objects_cover_the_first() -> None:
    """The second's object 1 covers all of the first's 2; its 2 is there in the first frame alone."""
    first, second = _sample(50), _sample(90)
    first.labels[:, :15], first.labels[:, 15:22] = 1, 2
    second.labels[:, 10:25], second.labels[0, :, 25:] = 1, 2
    second.labels[1, :, 25:] = 0
    mix = merged(np.random.default_rng(0), first, second)
    # Dense again: the first's 1 stays 1, its 2 is gone, the second's 11 and 12 become 2 and 3.
    assert (mix.labels[0, :10, :25] == 1).all() and (mix.labels[0, 10:25, :25] == 2).all()
    assert (mix.labels[0, :, 25:] == 3).all() and (mix.labels[0, 25:, :25] == 0).all()
    assert (mix.labels[1, :10] == 1).all() and (mix.labels[1, 10:25, :25] == 2).all()
    assert (mix.labels[1, 10:15, 25:] == 1).all() and (mix.labels[1, 15:, 25:] == 0).all()
    assert (mix.frames[0, :10, :25] == 50).all() and (mix.frames[0, 10:25, :25] == 90).all()
    assert (mix.frames[0, :, 25:] == 90).all() and (mix.frames[1, :10, 25:] == 50).all()
    assert (mix.frames[1, 25:] == 50).all()
    assert (first.labels[0, :15] == 1).all() and (second.labels[:, 10:25, 0] == 1).all()  # untouched


def test_objects_of_a_hundred_pixels_in_the_first_frame_are_dropped() -> None:
    first, second = _sample(0), _sample(0)
    first.labels[0, 0:10, 0:10] = 4
    first.labels[1] = 4
    second.labels[:, 20:30, 0:10], second.labels[0, 20, 10] = 1, 1
    mix = merged(np.random.default_rng(0), first, second)
    assert (mix.labels[0] == 1).sum() == 101 and (mix.labels[0, :15] == 0).all()
    assert (mix.labels[1, :20] == 0).all() and (mix.labels[1, 20:30, :10] == 1).all()


def test_of_more_than_ten_ten_stay() -> None:
    """Eight columns of 120 px each in both; whose, is drawn."""
    first, second = (
        Sample(np.zeros((1, 40, 48, 3), np.uint8), np.zeros((1, 40, 48), np.uint8)) for _ in "ab"
    )
    for i in range(8):
        first.labels[0, :20, 6 * i : 6 * i + 6] = second.labels[0, 20:, 6 * i : 6 * i + 6] = i + 1
    stayed = []
    for seed in range(20):
        labels = merged(np.random.default_rng(seed), first, second).labels
        assert np.bincount(labels.ravel()).tolist() == [6 * 120] + [120] * 10
        stayed.append(int((labels[0, :20] > 0).sum() // 120))
    assert len(set(stayed)) > 2 and all(2 <= n <= 8 for n in stayed)


def test_ignored_pixels_stay_ignored_where_no_object_is() -> None:
    first, second = _sample(50), _sample(90)
    first.labels[:, :20], first.labels[:, 25:] = 1, 255
    second.labels[:, 15:27], second.labels[:, :2] = 1, 255
    mix = merged(np.random.default_rng(0), first, second)
    assert (mix.labels[:, :15] == 1).all()  # the second's ignored pixels lie on the first's object
    assert (mix.labels[:, 15:27] == 2).all()  # the first's ignored pixels lie below the second's object
    assert (mix.labels[:, 27:] == 255).all()
    assert (mix.frames[:, :2] == 50).all() and (mix.frames[:, 27:] == 50).all()
