"""What changes with the step: learning rate, share of hard pixels, weight of the reference frame's loss."""

from __future__ import annotations

from dataclasses import dataclass

HARDEST_PIXELS = 0.15


@dataclass(frozen=True)
class Schedule:
    """Values of one training step, in steps counted from 0 (`docs/spec/training.md`, 'Every stage').

    Attributes:
        steps: Length of the training.
        rate: Learning rate at the end of the warm-up.
        final_rate: Learning rate at the last step.
        warm_up: Share of the steps over which the rate grows linearly to `rate`.
        power: Exponent of the polynomial by which it then falls.
        above_final: Whether the warm-up grows from `final_rate`, and a part's rate is its share of what lies
            above `final_rate`; otherwise it grows from nothing, and a part has its share of the whole.
        own_predictions_from: Share of the steps after which the memory is written from predictions.
        reference_until: Share of the steps in which the reference frame's loss loses its weight.
    """

    steps: int
    rate: float
    final_rate: float
    warm_up: float = 0.05
    power: float = 0.9
    above_final: bool = True
    own_predictions_from: float = 0.5
    reference_until: float = 1.0

    def learning_rate(self, step: int, share: float = 1.0) -> float:
        """The learning rate of a step, for a part of the network that has a `share` of it."""
        warm = int(self.steps * self.warm_up)
        floor = self.final_rate if self.above_final else 0.0
        if step < warm:
            rate = floor + (self.rate - floor) * (step + 1) / warm
        else:
            left = 1 - (step - warm) / max(1, self.steps - 1 - warm)
            rate = self.final_rate + (self.rate - self.final_rate) * float(max(0.0, left) ** self.power)
        return floor + share * (rate - floor)

    def hardest_pixels(self, step: int) -> float:
        """The share of pixels in the cross-entropy: 1 at first, 0.15 from the middle of the training on."""
        progress = min(1.0, 2 * step / self.steps)
        return 1 - (1 - HARDEST_PIXELS) * progress

    def reference_weight(self, step: int) -> float:
        """The weight of the reference frame's loss: falls linearly from 1 to 0 at `reference_until`."""
        return max(0.0, 1 - step / (self.reference_until * self.steps))

    def own_predictions(self, step: int) -> bool:
        """Whether the memory is written from predictions instead of labels."""
        return step >= self.own_predictions_from * self.steps
