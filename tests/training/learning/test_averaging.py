"""The weight average against its recursion, worked out by hand."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from ermu.training.learning.averaging import WeightAverage


def _set(network: nn.Linear, value: float) -> None:
    with torch.no_grad():
        network.weight.fill_(value)


def test_average_moves_fast_at_first_then_at_its_own_rate() -> None:
    network = nn.Linear(1, 1, bias=False)
    _set(network, 0.0)
    average = WeightAverage(network, steps=20, ratio=0.1)  # looks back on 2 steps: decay 0.5
    _set(network, 1.0)
    expected = 0.0
    for update in range(1, 12):
        average.update(network)
        decay = min(0.5, (1 + update) / (10 + update))
        expected = decay * expected + (1 - decay)
        assert average.weights["weight"].item() == pytest.approx(expected, rel=1e-6)


def test_average_is_applied_and_taken_back() -> None:
    network = nn.Linear(1, 1, bias=False)
    _set(network, 2.0)
    average = WeightAverage(network, steps=100)
    _set(network, 5.0)
    with average.applied_to(network):
        assert network.weight.item() == 2.0
    assert network.weight.item() == 5.0
