"""What changes with the step: learning rate, share of hard pixels, weight of the reference frame's loss."""

from __future__ import annotations

from dataclasses import dataclass

HARDEST_PIXELS = 0.15


@dataclass(frozen=True)
class Schedule:
    """Values of one training step, in steps counted from 0 (`docs/spec/evaluation.md`, 'Training').

    Attributes:
        steps: Length of the training.
        rate: Learning rate at the end of the warm-up.
        final_rate: Learning rate at the last step.
        warm_up: Share of the steps over which the rate grows linearly from `rate / warm-up steps`.
        power: Exponent of the polynomial by which it then falls.
        own_predictions_from: Share of the steps after which the memory is written from predictions.
    """

    steps: int
    rate: float
    final_rate: float
    warm_up: float = 0.05
    power: float = 0.9
    own_predictions_from: float = 0.5

    def learning_rate(self, step: int) -> float:
        """The learning rate of a step."""
        warm = int(self.steps * self.warm_up)
        if step < warm:
            return self.rate * (step + 1) / warm
        left = 1 - (step - warm) / max(1, self.steps - 1 - warm)
        return self.final_rate + (self.rate - self.final_rate) * float(max(0.0, left) ** self.power)

    def hardest_pixels(self, step: int) -> float:
        """The share of pixels in the cross-entropy: 1 at first, 0.15 from the middle of the training on."""
        progress = min(1.0, 2 * step / self.steps)
        return 1 - (1 - HARDEST_PIXELS) * progress

    def reference_weight(self, step: int) -> float:
        """The weight of the reference frame's loss: falls linearly from 1 to 0."""
        return max(0.0, 1 - step / self.steps)

    def own_predictions(self, step: int) -> bool:
        """Whether the memory is written from predictions instead of labels."""
        return step >= self.own_predictions_from * self.steps
