"""The interface of what clips are cut from."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from ermu.training.config import PhaseConfig
from ermu.training.data.sample import Sample


class ClipSource(Protocol):
    """Cuts clips from videos or pictures; the same random state, the same clip."""

    @property
    def size(self) -> int | None:
        """Items, that is videos or pictures; None where there is no end to them."""
        ...

    def sample(self, rng: np.random.Generator, item: int, phase: PhaseConfig) -> Sample:
        """A clip of an item, drawn as a phase wants it."""
        ...

    def another(self, rng: np.random.Generator, item: int) -> int:
        """An item to merge with this one.

        Raises:
            DatasetError: there is none.
        """
        ...


def other_item(rng: np.random.Generator, item: int, size: int) -> int:
    """One of the other items, each as likely as the next."""
    other = int(rng.integers(size - 1))
    return other + (other >= item)
