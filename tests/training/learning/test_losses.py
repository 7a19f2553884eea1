"""The losses against cases worked out by hand."""

from __future__ import annotations

import math

import pytest
import torch

from ermu.training.learning.losses import bootstrapped_cross_entropy, frame_loss, silence_unused, soft_jaccard


def _logits(chances: list[list[float]]) -> torch.Tensor:
    """Two-class log-chances of a 1 x n strip: 1 x 2 x 1 x n."""
    return torch.tensor(chances).log().T[None, :, None, :]


def test_cross_entropy_of_the_hardest_pixels() -> None:
    logits = _logits([[0.9, 0.1], [0.5, 0.5], [0.2, 0.8], [0.75, 0.25]])
    label = torch.tensor([[[0, 0, 0, 0]]])
    losses = [-math.log(p) for p in (0.9, 0.5, 0.2, 0.75)]
    assert bootstrapped_cross_entropy(logits, label, 1.0).item() == pytest.approx(sum(losses) / 4, rel=1e-5)
    assert bootstrapped_cross_entropy(logits, label, 0.5).item() == pytest.approx(
        (losses[2] + losses[1]) / 2, rel=1e-5
    )
    assert bootstrapped_cross_entropy(logits, label, 0.25).item() == pytest.approx(losses[2], rel=1e-5)


def test_cross_entropy_skips_unknown_pixels() -> None:
    logits = _logits([[0.9, 0.1], [0.5, 0.5]])
    label = torch.tensor([[[0, 255]]])
    assert bootstrapped_cross_entropy(logits, label, 1.0).item() == pytest.approx(-math.log(0.9), rel=1e-5)
    nothing_known = torch.full((1, 1, 2), 255)
    assert bootstrapped_cross_entropy(logits, nothing_known, 1.0).item() == 0.0


def test_soft_jaccard_by_hand() -> None:
    logits = _logits([[0.75, 0.25], [0.25, 0.75]])
    label = torch.tensor([[[0, 1]]])
    alive = torch.tensor([[True, True]])
    # Each class: shared 0.75, either (1 + 1 - 0.75) = 1.25, smoothed by one: 1.75 / 2.25.
    assert soft_jaccard(logits, label, alive).item() == pytest.approx(1 - 1.75 / 2.25, rel=1e-5)


def test_soft_jaccard_counts_only_the_living_and_the_known() -> None:
    logits = _logits([[0.75, 0.25], [0.25, 0.75]])
    label = torch.tensor([[[0, 255]]])
    alive = torch.tensor([[True, False]])
    # Background: shared 0.75, either 1: 1.75 / 2.
    assert soft_jaccard(logits, label, alive).item() == pytest.approx(1 - 1.75 / 2, rel=1e-5)


def test_silenced_identity_never_wins() -> None:
    logits = torch.zeros(1, 11, 1, 1)
    logits[0, 7] = 50.0
    alive = torch.zeros(1, 11, dtype=torch.bool)
    alive[0, [0, 2]] = True
    chances = silence_unused(logits, alive).softmax(1).flatten()
    assert chances[7] == 0
    assert chances[[0, 2]].tolist() == [0.5, 0.5]


def test_frame_loss_is_half_of_each_and_zero_for_certainty() -> None:
    logits = torch.full((1, 11, 2, 2), -100.0)
    logits[:, 0] = 100.0
    label = torch.zeros(1, 2, 2, dtype=torch.long)
    alive = torch.zeros(1, 11, dtype=torch.bool)
    alive[0, :2] = True
    assert frame_loss(logits, label, alive, 1.0, align_corners=True).item() == pytest.approx(0.0, abs=1e-6)
    flat = torch.zeros(1, 11, 2, 2)
    # Two living classes at 0.5: cross-entropy ln 2; background 1 - (2+1)/(4+1), absent object 1 - 1/(2+1).
    expected = 0.5 * math.log(2) + 0.5 * (2 / 5 + 2 / 3) / 2
    assert frame_loss(flat, label, alive, 1.0, align_corners=True).item() == pytest.approx(expected, rel=1e-5)
    assert frame_loss(
        flat, label.repeat_interleave(2, 1), alive, 1.0, align_corners=True
    ).item() == pytest.approx(0.5 * math.log(2) + 0.5 * ((1 - 5 / 9) + (1 - 1 / 5)) / 2, rel=1e-5)
