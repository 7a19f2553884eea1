"""GrabCut on scenes whose label maps are known: a rough hint finds the object."""

from __future__ import annotations

import numpy as np
import pytest

from ermu.errors import PromptError
from ermu.runtime.images.prompter import Box, GrabCutPrompter, Point
from ermu.scenes.config import SceneConfig
from ermu.scenes.scene import Scene

PROMPTER = GrabCutPrompter()


def overlap(mask: np.ndarray, truth: np.ndarray) -> float:
    return float((mask & truth).sum() / (mask | truth).sum())


def objects(seeds: range) -> list[tuple[np.ndarray, np.ndarray]]:
    """Frames with the mask of one whole, large enough object each."""
    found = []
    for seed in seeds:
        frame, label = Scene(SceneConfig(seed=seed, objects=2, occluders=0, effects=False))[0]
        for ident in (1, 2):
            truth = label == ident
            if truth.sum() > 900:
                found.append((frame, truth))
    return found


def test_boxes_find_most_of_the_objects() -> None:
    scores = []
    for frame, truth in objects(range(12)):
        ys, xs = np.nonzero(truth)
        box = Box(xs.min() - 4, ys.min() - 4, xs.max() + 5, ys.max() + 5)
        scores.append(overlap(PROMPTER.from_box(frame, box), truth))
    assert len(scores) >= 10
    assert np.median(scores) > 0.75


def test_clicks_find_a_good_part_and_always_the_clicked_pixel() -> None:
    scores = []
    for frame, truth in objects(range(12)):
        ys, xs = np.nonzero(truth)
        middle = np.argmin((ys - ys.mean()) ** 2 + (xs - xs.mean()) ** 2)
        point = Point(float(xs[middle]), float(ys[middle]))
        mask = PROMPTER.from_points(frame, [point])
        assert mask[ys[middle], xs[middle]]
        scores.append(overlap(mask, truth))
    assert np.median(scores) > 0.3


def test_the_same_hint_gives_the_same_mask() -> None:
    frame, _ = objects(range(3))[0]
    masks = [PROMPTER.from_box(frame, Box(100, 60, 220, 180)) for _ in range(2)]
    assert np.array_equal(*masks)


def test_a_box_over_everything_and_a_flat_frame_give_something() -> None:
    flat = np.full((60, 80, 3), 128, np.uint8)
    assert PROMPTER.from_box(flat, Box(-10, -10, 500, 500)).any()
    assert np.array_equal(
        np.argwhere(PROMPTER.from_box(flat, Box(20, 10, 60, 50)))[[0, -1]], [[10, 20], [49, 59]]
    )
    with pytest.raises(PromptError, match=r"Nothing in the box \(20, 10, 60, 50\) stands out"):
        PROMPTER.corrected(flat, np.zeros(flat.shape[:2], bool), Box(20, 10, 60, 50))


@pytest.mark.parametrize("corners", [(60, 10, 20, 50), (20, 50, 60, 10), (50, 50, 10, 10)])
def test_a_box_that_ends_before_it_begins_may_be_another(corners: tuple[int, int, int, int]) -> None:
    """Width and height in place of x1 and y1, say: the corners are not sorted in silence."""
    with pytest.raises(PromptError, match="ends before it begins") as refused:
        Box(*corners)
    x, y, width, height = corners
    assert f"{x},{y},{x + width},{y + height}" in str(refused.value.fix)


@pytest.mark.parametrize("box", [Box(0, 0, 2, 50), Box(-50, -50, -5, -5), Box(90, 0, 120, 40)])
def test_a_box_outside_the_frame_or_too_small_is_refused(box: Box) -> None:
    with pytest.raises(PromptError, match="less than 4 x 4"):
        PROMPTER.from_box(np.zeros((60, 80, 3), np.uint8), box)


@pytest.mark.parametrize("points", [[], [Point(3, 3, positive=False)], [Point(80, 3)]])
def test_points_that_say_nothing_are_refused(points: list[Point]) -> None:
    with pytest.raises(PromptError):
        PROMPTER.from_points(np.zeros((60, 80, 3), np.uint8), points)


def two_alike() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A frame with two disks of one colour, and the mask of each."""
    y, x = np.ogrid[:120, :160]
    left, right = ((y - 60) ** 2 + (x - cx) ** 2 < 22**2 for cx in (40, 115))
    draw = np.random.default_rng(3)
    frame = draw.integers(90, 110, (120, 160, 3)).astype(np.uint8)
    frame[left | right] = draw.integers(190, 210, (int((left | right).sum()), 3))
    return frame, left, right


def test_a_click_elsewhere_means_that_the_object_is_there() -> None:
    frame, left, right = two_alike()
    assert overlap(PROMPTER.corrected(frame, right, [Point(40, 60)]), left) > 0.9


@pytest.mark.parametrize("points", [[Point(115, 60, False)], [Point(40, 60), Point(115, 60, False)]])
def test_a_part_that_is_clicked_away_goes_altogether(points: list[Point]) -> None:
    frame, left, right = two_alike()
    mask = PROMPTER.corrected(frame, left | right, points)
    assert overlap(mask, left) > 0.9
    assert not (mask & right).any()


def test_clicks_add_what_was_missed_and_keep_what_lies_apart() -> None:
    """Half of one disk is missing; the other, which nobody clicked on, stays as it was to the pixel."""
    frame, left, right = two_alike()
    half = left & (np.arange(160) < 40)
    mask = PROMPTER.corrected(frame, half | right, [Point(52, 60)])
    assert overlap(mask & ~right, left) > 0.9
    assert np.array_equal(mask & (np.arange(160) > 88), right)


def test_a_leak_is_clicked_away() -> None:
    frame, left, _ = two_alike()
    y, x = np.ogrid[:120, :160]
    leaked = left | ((abs(y - 60) < 10) & (x > 40) & (x < 80))
    mask = PROMPTER.corrected(frame, leaked, [Point(72, 60, positive=False)])
    assert overlap(mask, left) > 0.9


def test_an_object_that_was_lost_is_clicked_on_and_clicks_that_leave_nothing_are_refused() -> None:
    frame, left, _ = two_alike()
    nothing = np.zeros_like(left)
    assert overlap(PROMPTER.corrected(frame, nothing, [Point(40, 60)]), left) > 0.9
    for mask, points in (
        (nothing, [Point(40, 60, positive=False)]),
        (left, []),
        (left, [Point(160, 3)]),
        (nothing | ((np.arange(160) == 40) & (np.arange(120) == 60)[:, None]), [Point(40, 60, False)]),
    ):
        with pytest.raises(PromptError):
            PROMPTER.corrected(frame, mask, points)
