"""Eviction policies on hand-computed cases."""

from __future__ import annotations

from math import log, sqrt

import numpy as np
import pytest

from ermu.errors import KernelError, OptionError
from ermu.registries import POLICIES
from ermu.runtime.bundle.parts import ScoreInfo
from ermu.runtime.memory.policy import Evidence


class Observed(Evidence):
    """Evidence given outright; slots are deliberately not in time order."""

    def __init__(self, slot_frames, relevance=None, redundancy=None):
        self.slot_frames = slot_frames
        self._relevance, self._redundancy = relevance, redundancy

    def relevance(self):
        assert self._relevance is not None, "this policy has no business asking"
        return np.array(self._relevance)

    def redundancy(self):
        assert self._redundancy is not None, "this policy has no business asking"
        return np.array(self._redundancy)


def _policy(name, update_mean_at="eviction"):
    constants = ScoreInfo(
        relevance_weight=4,
        redundancy_slope=10,
        redundancy_centre=0.4,
        momentum=0.8,
        update_mean_at=update_mean_at,
    )
    return POLICIES.get(name)(constants)


def test_fifo_drops_the_oldest_after_the_first():
    decision = _policy("fifo").decide(Observed([0, 30, 10, 20]), full=True)
    assert decision.slot == 2  # frame 10
    assert _policy("fifo").decide(Observed([0, 10]), full=False).slot is None


@pytest.mark.parametrize(
    ("frames", "slot"),
    [
        ([0, 1], 1),
        ([0, 10, 20, 30], 3),  # the newest came 10 after the last; 10 and 20 stand in the middle of 20
        ([0, 20, 10, 41], 2),  # 10 and 20 have 20 and 31 between their neighbours, 41 came 21 after the last
        ([60, 0, 50, 40, 10], 0),  # 10 has 40 around it, 40 too, 50 has 20, 60 has 10
        ([70, 0, 50, 40, 45], 4),  # 40 has 45, 45 has 10, 50 has 25, 70 has 20
    ],
)
def test_spread_drops_the_frame_that_leaves_the_smallest_gap(frames, slot):
    assert _policy("spread").decide(Observed(frames), full=True).slot == slot
    assert _policy("spread").decide(Observed(frames), full=False).slot is None


def test_spread_holds_the_whole_past_evenly():
    policy, held = _policy("spread"), [0, 1, 2, 3, 4]
    for frame in range(5, 1000):
        held[policy.decide(Observed(held), full=True).slot] = frame
    steps = np.diff(sorted(held)[:-1])  # the newest has only just come
    assert steps.min() > 100 and steps.max() <= 2 * steps.min() + 1


def test_none_never_drops():
    policy = _policy("none")
    assert not policy.bounded
    assert policy.decide(Observed([0, 1, 2]), full=True).slot is None


def test_ermu_score_moving_mean_and_time_order():
    policy = _policy("ermu")
    first = policy.decide(Observed([0, 9, 5], [0.2, 0.5, 0.3], [0.3, 0.4, 0.3]), full=True)
    # s = 4 r + 1 / (1 + exp(10 (red - 0.4))); slots 0, 2, 1 are frames 0, 5, 9
    expected = [0.8 + 1 / (1 + np.exp(-1)), 1.2 + 1 / (1 + np.exp(-1)), 2.0 + 0.5]
    assert np.allclose(first.scores, expected)
    assert first.slot == 2  # frame 5: frame 0 scores lower and is permanent
    second = policy.decide(Observed([0, 9, 12], [0.1, 0.3, 0.6], [0.3, 0.3, 0.4]), full=True)
    assert np.allclose(second.relevance, [0.1, 0.3, 0.6])
    assert np.allclose(second.relevance_mean, [0.8 * 0.1 + 0.2 * 0.2, 0.8 * 0.3 + 0.2 * 0.5, 0.6])
    assert second.slot == 1  # frame 9: 4 * 0.34 + 0.731 against 2.4 + 0.5


def test_only_the_latest_scoring_is_remembered():
    policy = _policy("ermu")
    policy.decide(Observed([0, 1, 2], [0.2, 0.4, 0.4], [0.3, 0.3, 0.4]), full=True)
    policy.decide(Observed([0, 3, 4], [0.2, 0.4, 0.4], [0.3, 0.3, 0.4]), full=True)
    again = policy.decide(Observed([0, 1, 4], [0.5, 0.1, 0.4], [0.3, 0.3, 0.4]), full=True)
    assert np.isclose(again.relevance_mean[1], 0.1)  # frame 1 was not scored last time


@pytest.mark.parametrize(("update_mean_at", "scored"), [("append", True), ("eviction", False)])
def test_deaot_scores_before_the_bank_is_full(update_mean_at, scored):
    decision = _policy("ermu", update_mean_at).decide(Observed([0, 1], [0.6, 0.4], [0.5, 0.5]), full=False)
    assert decision.slot is None
    assert (decision.scores is not None) == scored


def test_a_lone_frame_has_a_mean_of_one_without_being_scored():
    policy = _policy("ermu", update_mean_at="append")
    policy.decide(Observed([0]), full=False)
    later = policy.decide(Observed([0, 1], [0.6, 0.4], [0.5, 0.5]), full=False)
    assert np.allclose(later.relevance_mean, [0.8 * 0.6 + 0.2 * 1.0, 0.4])


def test_rmem_adds_a_bonus_for_frames_scored_seldom():
    """Frame 7 was appended at the first scoring, which it has been through: N = 2 at its first relevance."""
    policy = _policy("rmem")
    first = policy.decide(Observed([0, 1, 2], [0.3, 0.4, 0.3]), full=True)
    assert np.allclose(first.scores, np.add([0.3, 0.4, 0.3], _bonus([3, 1, 1])))
    assert first.slot == 2
    second = policy.decide(Observed([0, 1, 7], [0.3, 0.35, 0.35]), full=True)
    means = [0.3, 0.8 * 0.35 + 0.2 * 0.4, 0.35]
    assert np.allclose(second.scores, np.add(means, _bonus([3, 2, 2])))
    assert second.slot == 2
    third = policy.decide(Observed([0, 1, 9], [0.3, 0.3, 0.4]), full=True)
    means = [0.3, 0.8 * 0.3 + 0.2 * means[1], 0.4]
    assert np.allclose(third.scores, np.add(means, _bonus([3, 3, 2])))


def test_rmem_counts_every_append_where_the_mean_moves_at_appends():
    """Counts by hand: frame 1 came with the lone scoring, 2 with the second, 3 with the third."""
    policy = _policy("rmem", update_mean_at="append")
    policy.decide(Observed([0]), full=False)
    policy.decide(Observed([0, 1], [0.5, 0.5]), full=False)
    third = policy.decide(Observed([0, 1, 2], [0.4, 0.3, 0.3]), full=True)
    means = [0.8 * 0.4 + 0.2 * (0.8 * 0.5 + 0.2 * 1.0), 0.8 * 0.3 + 0.2 * 0.5, 0.3]
    assert np.allclose(third.scores, np.add(means, _bonus([3, 3, 2])))


def _bonus(counts):
    return [1.5 * sqrt(log(sum(counts)) / (n + 8)) for n in counts]


def test_unknown_policy():
    with pytest.raises(OptionError, match="ermu, fifo, none, rmem"):
        _policy("lru")


def test_a_score_that_is_no_number_is_refused():
    with pytest.raises(KernelError, match="not a number"):
        _policy("rmem").decide(Observed([0, 1, 2], [0.3, np.nan, 0.3]), full=True)
