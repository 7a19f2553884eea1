"""Label maps whose survey is worked out by hand, or drawn."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from ermu.kernels.base.pixels import PROBABILITY_UNIT
from tests.kernels.calls import Caller
from tests.kernels.kernel_cases import random_logits

SIZES = [((45, 81), (180, 320)), ((12, 70), (5, 3)), ((1, 1), (4, 9)), ((9, 9), (1, 1)), ((3, 5), (17, 67))]


def two_groups_by_hand(caller: Caller, *, align_corners: bool) -> None:
    """Label 2 has 0.8 and 0.6 where it is, 14 has 0.5 of its own group; a silenced channel counts nowhere."""
    logits = np.full((2, 11, 2, 2), -40.0, np.float32)
    active = np.ones((2, 11), bool)
    active[0, 5] = False
    logits[0, 5] = 40.0
    logits[0, 0, 0], logits[0, 2, 0] = np.log([0.2, 0.4]), np.log([0.8, 0.6])
    logits[1, 0], logits[1, 4] = 1.0, 1.0
    label = np.zeros((8, 8), np.uint8)
    label[:4], label[4:, 4:], label[0, 3], label[5, 5] = 2, 14, 20, 21
    found = caller.survey(logits, active, label, 21, align_corners=align_corners)
    assert found[:, :6].tolist() == [
        *([[0, 8, 8, 0, 0, 0]] * 2),
        [31, 0, 0, 8, 4, 2],
        *([[0, 8, 8, 0, 0, 0]] * 11),
        [15, 4, 4, 8, 8, 1],
        *([[0, 8, 8, 0, 0, 0]] * 5),
        [1, 3, 0, 4, 1, 0],
    ]
    sums = found[:, 6] * PROBABILITY_UNIT
    assert sums[[2, 14]].tolist() == pytest.approx([1.4, 0.5], abs=1e-6)
    assert sums.sum() == pytest.approx(1.9, abs=1e-6)


def drawn(
    groups: int, sizes: tuple[tuple[int, int], tuple[int, int]]
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_], npt.NDArray[np.uint8], int]:
    """Logits, channels in use, a label map of blocks, and how many labels there are."""
    logits, active = random_logits(groups, *sizes[0])
    labels = min(10 * groups + 1, 256)
    draw = np.random.default_rng([groups, *sizes[1]])
    blocks = draw.integers(0, min(labels + 3, 256), [side // 7 + 1 for side in sizes[1]], dtype=np.uint8)
    label = np.kron(blocks, np.ones((7, 7), np.uint8))[: sizes[1][0], : sizes[1][1]]
    return logits, active, np.ascontiguousarray(label), labels
