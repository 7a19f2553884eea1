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
    assert PROMPTER.from_box(flat, Box(60, 50, 20, 10)).any()  # corners in either order


@pytest.mark.parametrize("box", [Box(0, 0, 2, 50), Box(-50, -50, -5, -5), Box(90, 0, 120, 40)])
def test_a_box_outside_the_frame_or_too_small_is_refused(box: Box) -> None:
    with pytest.raises(PromptError, match="less than 4 x 4"):
        PROMPTER.from_box(np.zeros((60, 80, 3), np.uint8), box)


@pytest.mark.parametrize("points", [[], [Point(3, 3, positive=False)], [Point(80, 3)]])
def test_points_that_say_nothing_are_refused(points: list[Point]) -> None:
    with pytest.raises(PromptError):
        PROMPTER.from_points(np.zeros((60, 80, 3), np.uint8), points)
