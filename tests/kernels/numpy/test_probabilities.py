"""The mean probability of a label's pixels, worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from ermu.kernels.numpy.probabilities import mean_probabilities


def channels(**of: tuple[int, int]) -> np.ndarray:
    """(2, 256): `channels(id7=(1, 4))` gives label 7 the fourth channel of the second group."""
    table = np.zeros((2, 256), np.uint8)
    for name, (group, channel) in of.items():
        table[group, int(name.removeprefix("id"))] = channel
    return table


@pytest.mark.parametrize("align_corners", [True, False])
def test_two_groups_by_hand(align_corners: bool) -> None:
    """Label 7 has 0.8 and 0.6 where it is, 9 has 0.5 of its own group; a silenced channel counts nowhere."""
    logits = np.full((2, 11, 2, 2), -40.0, np.float32)
    active = np.ones((2, 11), bool)
    active[0, 5] = False
    logits[0, 5] = 40.0
    logits[0, 0, 0], logits[0, 2, 0] = np.log([0.2, 0.4]), np.log([0.8, 0.6])
    logits[1, 0], logits[1, 4] = 1.0, 1.0
    label = np.zeros((8, 8), np.uint8)
    label[:4], label[4:, 4:] = 7, 9
    found = mean_probabilities(
        logits, active, channels(id7=(0, 2), id9=(1, 4), id200=(1, 1)), label, align_corners=align_corners
    )
    assert found == pytest.approx({7: 0.7, 9: 0.5}, abs=1e-6)


def test_what_no_logit_meets_has_none() -> None:
    label = np.zeros((90, 90), np.uint8)
    label[3, 3] = 7
    logits, active = np.zeros((2, 11, 5, 5), np.float32), np.ones((2, 11), bool)
    assert mean_probabilities(logits, active, channels(id7=(0, 1)), label, align_corners=True) == {}
