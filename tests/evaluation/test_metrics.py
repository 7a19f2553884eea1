"""The measures against cases worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from ermu.evaluation.metrics import (
    boundary,
    boundary_measure,
    boundary_measures,
    last_quarter,
    object_count,
    region_similarities,
    statistics,
)


def test_j_of_two_objects_by_hand() -> None:
    annotation = np.array([[1, 1, 0, 2], [1, 1, 0, 2]], np.uint8)
    result = np.array([[1, 1, 1, 0], [1, 0, 0, 2]], np.uint8)
    # object 1: 3 pixels shared, 4 + 4 - 3 = 5 in either; object 2: 1 shared, 2 in either
    np.testing.assert_array_equal(region_similarities(annotation, result, 2), [3 / 5, 1 / 2])


def test_j_is_one_where_both_are_empty_and_zero_where_one_is() -> None:
    annotation = np.array([[0, 0, 2]], np.uint8)
    result = np.array([[0, 3, 0]], np.uint8)
    # object 1 is in neither, object 2 is missed, object 3 is an error
    np.testing.assert_array_equal(region_similarities(annotation, result, 3), [1.0, 0.0, 0.0])


def test_ignore_pixels_of_the_annotation_are_background() -> None:
    annotation = np.array([[1, 1, 255, 255]], np.uint8)
    result = np.array([[1, 1, 1, 0]], np.uint8)
    # the third pixel counts as a false positive: 2 shared of 3
    np.testing.assert_array_equal(region_similarities(annotation, result, 1), [2 / 3])


def test_ids_out_of_range_are_ignored_and_ids_never_annotated_count_as_empty() -> None:
    annotation = np.array([[1, 3, 0, 0]], np.uint8)
    result = np.array([[1, 3, 9, 255]], np.uint8)
    np.testing.assert_array_equal(region_similarities(annotation, result, 3), [1.0, 1.0, 1.0])
    assert object_count(np.array([[1, 3, 255]], np.uint8)) == 3
    assert object_count(np.array([[0, 255]], np.uint8)) == 0


def test_statistics_by_hand() -> None:
    values = np.array([0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2])
    # linspace(1, 8, 5) = 1, 2.75, 4.5, 6.25, 8; rounded 1, 3, 5 (4.5 + 1e-10), 6, 8; bins 0..2 and 5..7
    found = statistics(values)
    assert found.mean == pytest.approx(0.55)
    assert found.recall == 4 / 8  # 0.5 itself is not above 0.5
    assert found.decay == pytest.approx((0.9 + 0.8 + 0.7) / 3 - (0.4 + 0.3 + 0.2) / 3)


def test_statistics_of_more_frames_than_a_byte_counts() -> None:
    """300 frames, J 1 in frames 0 to 75 and 0.25 from there on, but 0.75 in the last 75.

    linspace(1, 300, 5) = 1, 75.75, 150.5, 225.25, 300; rounded 1, 76, 151 (150.5 + 1e-10), 225, 300: the
    first quarter is 0..75 and the last 224..299, 76 frames each, of which the last has one of 0.25.
    """
    values = np.concatenate([np.full(76, 1.0), np.full(149, 0.25), np.full(75, 0.75)])
    found = statistics(values)
    assert found.mean == pytest.approx((76 + 149 * 0.25 + 75 * 0.75) / 300)
    assert found.recall == pytest.approx((76 + 75) / 300)
    assert found.decay == pytest.approx(1 - (0.25 + 75 * 0.75) / 76)
    np.testing.assert_array_equal(last_quarter(values), values[225:])


def test_255_in_a_result_is_no_object() -> None:
    annotation = np.array([[1, 1, 2, 2, 255, 255, 254]], np.uint8)
    result = np.array([[1, 255, 255, 255, 255, 1, 254]], np.uint8)
    # object 1: 1 shared, {0, 1, 5} in either; object 2 is missed; 254, the largest there is, is met
    found = region_similarities(annotation, result, 254)
    np.testing.assert_array_equal(found[[0, 1, 253]], [1 / 3, 0.0, 1.0])
    assert boundary_measures(annotation, result, 2)[1] == 0.0  # the annotation alone has a boundary


def test_statistics_of_one_frame_and_of_five() -> None:
    one = statistics(np.array([0.75]))
    assert (one.mean, one.recall, one.decay) == (0.75, 1.0, 0.0)
    five = statistics(np.array([1.0, 0.8, 0.6, 0.4, 0.0]))
    # edges 1, 2, 3, 4, 5: bins 0..1 and 3..4
    assert five.decay == pytest.approx(0.9 - 0.2)


@pytest.mark.parametrize(("count", "first"), [(1, 0), (2, 1), (3, 2), (4, 3), (7, 5), (8, 6), (58, 43)])
def test_the_last_quarter_starts_at_the_floor_of_three_quarters(count: int, first: int) -> None:
    np.testing.assert_array_equal(last_quarter(np.arange(count, dtype=float)), np.arange(first, count))


def test_a_boundary_by_hand() -> None:
    mask = np.zeros((4, 4), bool)
    mask[1:3, 1:3] = True
    expected = np.array(
        [[1, 1, 1, 0],
         [1, 0, 1, 0],
         [1, 1, 1, 0],
         [0, 0, 0, 0]], bool
    )  # fmt: skip
    np.testing.assert_array_equal(boundary(mask), expected)
    assert not boundary(np.ones((3, 3), bool)).any()  # the image's border is no boundary


def test_f_by_hand() -> None:
    """Columns 0..3 against columns 0..5 of 60 x 80, bound 0.008 * 100 = 0.8: one pixel of tolerance."""
    annotation, near, far = np.zeros((3, 60, 80), bool)
    annotation[:, :4] = near[:, :5] = far[:, :6] = True
    assert boundary_measure(annotation, annotation) == 1.0
    assert boundary_measure(annotation, near) == 1.0
    assert boundary_measure(annotation, far) == 0.0


def test_f_of_a_half_found_boundary_by_hand() -> None:
    """Two bars whose boundaries are columns 9 and 29, and 49 and 69; the result finds the first bar only."""
    annotation, result = np.zeros((2, 60, 80), bool)
    annotation[:, 10:30] = annotation[:, 50:70] = True
    result[:, 10:30] = True
    # precision 1, recall one half: 2 * 1 * 0.5 / 1.5
    assert boundary_measure(annotation, result) == pytest.approx(2 / 3)
    assert boundary_measure(result, annotation) == pytest.approx(2 / 3)


def test_f_where_masks_are_empty() -> None:
    empty, some = np.zeros((2, 20, 20), bool)
    some[5:9, 5:9] = True
    assert boundary_measure(empty, empty) == 1.0
    assert boundary_measure(empty, some) == boundary_measure(some, empty) == 0.0
    labels = some.astype(np.uint8)
    np.testing.assert_array_equal(boundary_measures(labels, labels * 2, 2), [0.0, 0.0])
