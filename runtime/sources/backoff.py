"""How long to wait before the next try to reconnect."""

from __future__ import annotations

from dataclasses import dataclass
from random import random


@dataclass
class Backoff:
    """Doubles the wait up to a limit; jitter keeps many streams from knocking all at once.

    Attributes:
        first: Seconds before the second try.
        limit: Seconds at most.
        jitter: Share of the wait that is drawn at random.
    """

    first: float = 0.25
    limit: float = 10.0
    jitter: float = 0.25
    tries: int = 0

    def next(self) -> float:
        """Seconds to wait before the next try."""
        wait = min(self.limit, self.first * 2.0 ** min(self.tries, 30))
        self.tries += 1
        return wait * (1 + self.jitter * (2 * random() - 1))

    def reset(self) -> None:
        """A try has succeeded."""
        self.tries = 0
