"""Milliseconds spent in each named stage of a frame."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter


class Stopwatch:
    """Adds up time by stage.

    Example:
        >>> watch = Stopwatch()
        >>> with watch("encode"):
        ...     pass
        >>> list(watch.ms)
        ['encode']
    """

    def __init__(self) -> None:
        self.ms: dict[str, float] = {}

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        start = perf_counter()
        try:
            yield
        finally:
            self.ms[stage] = self.ms.get(stage, 0.0) + 1e3 * (perf_counter() - start)
