"""The exponential moving average of a network's weights, which is what is evaluated and published."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn


class WeightAverage:
    """Averages the floating-point weights of a network over roughly the last `ratio * steps` steps.

    Args:
        network: The network whose weights are followed.
        steps: Length of the training.
        ratio: Share of the training that the average looks back on (0.1 as published).
    """

    def __init__(self, network: nn.Module, steps: int, ratio: float = 0.1) -> None:
        self.decay = 1 - 1 / max(1.0, steps * ratio)
        self.updates = 0
        self.weights: dict[str, Tensor] = {
            key: value.detach().clone()
            for key, value in network.state_dict().items()
            if value.is_floating_point()
        }

    @torch.no_grad()
    def update(self, network: nn.Module) -> None:
        """Moves the average towards the current weights; faster during the first updates."""
        self.updates += 1
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates))
        for key, value in network.state_dict().items():
            if key in self.weights:
                self.weights[key].lerp_(value, 1 - decay)

    @contextmanager
    def applied_to(self, network: nn.Module) -> Iterator[None]:
        """The network with the averaged weights, put back on leaving."""
        current = {key: value.clone() for key, value in network.state_dict().items()}
        network.load_state_dict({**current, **self.weights})
        try:
            yield
        finally:
            network.load_state_dict(current)

    def state_dict(self) -> dict[str, object]:
        """What `load_state_dict` needs to go on exactly."""
        return {"updates": self.updates, "weights": self.weights}

    def load_state_dict(self, state: dict[str, object]) -> None:
        """Goes on from a saved average."""
        updates, weights = state["updates"], state["weights"]
        assert isinstance(updates, int) and isinstance(weights, dict)
        self.updates = updates
        for key, value in self.weights.items():
            value.copy_(weights[key])
