"""Ids of a clip: shuffled one to one, or dense; and who is left out."""

from __future__ import annotations

import numpy as np

from ermu.training.data.sample import Sample, dense_ids, shuffled_ids


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


def test_dense_ids_keep_their_order_and_drop_the_small() -> None:
    """Of 4, 9 and 30 in the first frame, 9 has but 5 pixels; 7 comes later; 255 stays."""
    labels = np.zeros((2, 3, 10), np.uint8)
    labels[0, 0], labels[0, 1, :5], labels[0, 1, 5:], labels[0, 2, :6] = 4, 9, 255, 30
    labels[1, 0], labels[1, 1] = 30, 7
    dense = dense_ids(np.random.default_rng(0), labels, 5)
    assert dense[0, 0].tolist() == [1] * 10
    assert dense[0, 1].tolist() == [0] * 5 + [255] * 5
    assert dense[0, 2].tolist() == [2] * 6 + [0] * 4
    assert dense[1].tolist() == [[2] * 10, [0] * 10, [0] * 10]


def test_which_ten_of_many_stay_is_drawn() -> None:
    labels = np.arange(1, 15, dtype=np.uint8).reshape(1, 1, 14)
    stayed = [
        frozenset(np.flatnonzero(dense_ids(np.random.default_rng(s), labels, 0)).tolist()) for s in range(40)
    ]
    assert all(len(ids) == 10 for ids in stayed) and len(set(stayed)) > 30
    assert set().union(*stayed) == set(range(14))


def test_a_sample_without_objects_is_empty() -> None:
    frames, labels = np.zeros((2, 4, 4, 3), np.uint8), np.zeros((2, 4, 4), np.uint8)
    labels[0, 0], labels[1] = 255, 3
    assert Sample(frames, labels).empty
    labels[0, 1, 1] = 9
    assert not Sample(frames, labels).empty
