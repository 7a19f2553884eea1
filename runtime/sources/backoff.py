"""How long to wait before the next try to reconnect."""

from __future__ import annotations

from dataclasses import dataclass
from random import random

from ermu.errors import OptionError


@dataclass
class Backoff:
    """Doubles the wait up to a limit; jitter keeps many streams from knocking all at once.

    Attributes:
        first: Seconds before the second try.
        limit: Seconds at most.
        jitter: Share of the wait that is drawn at random, 0 to 1.

    Raises:
        OptionError: a wait is not positive, or the jitter not a share.
    """

    first: float = 0.25
    limit: float = 10.0
    jitter: float = 0.25
    tries: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.first <= self.limit:
            raise OptionError(
                f"Waits cannot grow from {self.first} s to {self.limit} s.", expected="0 < first <= limit"
            )
        if not 0 <= self.jitter <= 1:
            raise OptionError(f"A jitter of {self.jitter} is no share.", expected="0 to 1")

    def next(self) -> float:
        """Seconds to wait before the next try."""
        wait = min(self.limit, self.first * 2.0 ** min(self.tries, 30))
        self.tries += 1
        return wait * (1 + self.jitter * (2 * random() - 1))

    def reset(self) -> None:
        """A try has succeeded."""
        self.tries = 0
