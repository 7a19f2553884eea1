"""Milliseconds spent in each named stage of a frame."""

from __future__ import annotations

from time import perf_counter


class Stopwatch:
    """Adds up time by stage; stages may lie inside others.

    Example:
        >>> watch = Stopwatch()
        >>> with watch("encode"):
        ...     pass
        >>> list(watch.ms)
        ['encode']
    """

    def __init__(self) -> None:
        self.ms: dict[str, float] = {}

    def __call__(self, stage: str) -> Lap:
        return Lap(self.ms, stage)


class Lap:
    """One time that a stage runs; a class of its own costs a third of a generator's context manager."""

    __slots__ = ("_began", "_ms", "_stage")

    def __init__(self, ms: dict[str, float], stage: str) -> None:
        self._ms, self._stage = ms, stage

    def __enter__(self) -> None:
        self._began = perf_counter()

    def __exit__(self, *error: object) -> None:
        passed = 1e3 * (perf_counter() - self._began)
        self._ms[self._stage] = self._ms.get(self._stage, 0.0) + passed
