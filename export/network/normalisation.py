"""How a network's input is normalised."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Normalisation:
    """What is taken from RGB of 0..1, and what that is divided by; ImageNet's unless told otherwise."""

    mean: tuple[float, ...] = (0.485, 0.456, 0.406)
    spread: tuple[float, ...] = (0.229, 0.224, 0.225)


IMAGENET = Normalisation()
