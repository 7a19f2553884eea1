"""Which frames a clip shows: in order, within the gaps, from a first frame that shows something."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray

from ermu.training.data.frames import frame_indices, published_indices


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


def _label(objects: dict[int, int], ignored: int = 0) -> NDArray[np.uint8]:
    """A label map of 1000 pixels: pixels of each id, and ignored ones."""
    flat = [id for id, pixels in objects.items() for _ in range(pixels)] + [255] * ignored
    return np.array(flat + [0] * (1000 - len(flat)), np.uint8).reshape(25, 40)


class _Video:
    """Label maps that count how often they are asked for."""

    def __init__(self, labels: list[NDArray[np.uint8]]) -> None:
        self.labels, self.asked = labels, 0

    def __call__(self, index: int) -> NDArray[np.uint8]:
        self.asked += 1
        return self.labels[index]


def _draw(video: _Video, seed: int, count: int, threshold: float | None = None, gap: int = 1) -> list[int]:
    return published_indices(np.random.default_rng(seed), video, len(video.labels), count, gap, threshold)


def test_published_clips_walk_both_ways_and_turn_back_at_the_end() -> None:
    video = _Video([_label({1: 300})] * 4)
    clips = [_draw(video, seed, 9) for seed in range(60)]
    assert all(abs(b - a) == 1 and 0 <= b < 4 for clip in clips for a, b in pairwise(clip))
    # From frame 2 on forwards: 3, then back to 0, then forwards again; and its mirror.
    assert [2, 3, 2, 1, 0, 1, 2, 3, 2] in clips and [1, 0, 1, 2, 3, 2, 1, 0, 1] in clips


def test_the_first_frame_shows_more_than_two_hundred_pixels() -> None:
    labels = [_label({1: 200})] * 12
    labels[5] = _label({1: 201})
    first = [_draw(_Video(labels), seed, 3)[0] for seed in range(200)]
    # 20 draws of 12 frames miss the only good one in (11/12)^20 = 18% of the clips, whose first is another.
    assert first.count(5) / 200 == pytest.approx(1 - (11 / 12) ** 20, abs=0.08)


def test_the_ignore_threshold_is_a_share_of_what_is_not_background() -> None:
    """80 of 400 is 0.2, which will do; 81 of 401 is more."""
    labels = [_label({1: 320}, ignored=81)] * 24
    labels[3] = labels[20] = _label({1: 320}, ignored=80)
    first = [_draw(_Video(labels), seed, 4, threshold=0.2)[0] for seed in range(200)]
    # Of the 20 frames before the last four, one will do, from either end: 40 draws miss it in 13%.
    assert (first.count(3) + first.count(20)) / 200 == pytest.approx(1 - (19 / 20) ** 40, abs=0.08)
    without = [_draw(_Video(labels), seed, 4)[0] for seed in range(200)]
    assert without.count(3) + without.count(20) < 40


def test_with_a_threshold_no_clip_begins_in_the_last_frames() -> None:
    video = _Video([_label({1: 300})] * 20)
    for seed in range(100):
        clip = _draw(video, seed, 17, threshold=0.2)
        assert clip[0] < 3 or clip[0] > 16
        assert clip in (sorted(clip), sorted(clip, reverse=True))
    # A video no longer than that begins at one of its ends.
    short = _Video([_label({1: 300})] * 17)
    assert {_draw(short, seed, 17, threshold=0.2)[0] for seed in range(20)} == {0, 16}


def test_clips_with_newcomers_are_drawn_five_times_at_most() -> None:
    """Object 2 is in the second half of the video alone; ignored pixels are nobody."""
    labels = [_label({1: 300})] * 10 + [_label({1: 300, 2: 100}, ignored=20)] * 10
    clips = [_draw(_Video(labels), seed, 6) for seed in range(300)]
    # Five of twenty starts lead into the second half, in either direction: once in 1024 five draws all do.
    assert sum(clip[0] < 10 <= max(clip) for clip in clips) <= 2
    hopeless = _Video([_label({i + 1: 300}) for i in range(4)])
    _draw(hopeless, 0, 3)
    assert hopeless.asked == 5 * (1 + 3)  # a first frame looked at, and three of the clip, five times
    fine = _Video([_label({1: 300})] * 4)
    _draw(fine, 0, 3)
    assert fine.asked == 1 + 3
