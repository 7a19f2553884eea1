"""Figures of a stream that runs for weeks, in constant memory: percentiles, rates, counts."""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import accumulate
from threading import Lock
from time import monotonic

import numpy as np

RECENT = 4096  # samples that percentiles are taken over
BOUNDS = (1.0, 2.5, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0, 1000.0, 2500.0, 5000.0, 10000.0)


@dataclass(frozen=True)
class Histogram:
    """How samples are spread.

    Attributes:
        counts: Of those up to each of `BOUNDS`, and of all.
        total: Their sum.
    """

    counts: tuple[int, ...]
    total: float


class Samples:
    """The latest samples of a quantity, and what is known of all of them.

    Args:
        recent: Samples kept.
    """

    def __init__(self, recent: int = RECENT) -> None:
        self._ring = np.zeros(recent)
        self._spread = [0] * (len(BOUNDS) + 1)
        self.count = 0
        self.maximum = self.total = 0.0

    def add(self, value: float) -> None:
        """Takes a sample."""
        self._ring[self.count % len(self._ring)] = value
        self.count += 1
        self.maximum = max(self.maximum, value)
        self.total += value
        self._spread[bisect_left(BOUNDS, value)] += 1

    def histogram(self) -> Histogram:
        """Of all samples."""
        return Histogram(tuple(accumulate(list(self._spread))), self.total)

    def percentile(self, q: float) -> float:
        """Percentile of the latest samples, 0 before the first."""
        return float(np.percentile(self._ring[: self.count], q)) if self.count else 0.0

    def summary(self) -> dict[str, float]:
        """p50, p90, p95 and p99 of the latest samples, and the largest of all."""
        if not self.count:
            return {}
        values = np.percentile(self._ring[: self.count], (50, 90, 95, 99))
        named = {f"p{q}": round(float(v), 3) for q, v in zip((50, 90, 95, 99), values, strict=True)}
        return {**named, "max": round(self.maximum, 3)}


class Rate:
    """Events a second over the last few seconds.

    Args:
        window: Seconds looked back.
    """

    def __init__(self, window: float = 5.0) -> None:
        self._window = window
        self._stamps: deque[float] = deque(maxlen=1024)
        self._began = monotonic()

    def tick(self, stamp: float) -> None:
        """An event at a monotonic time."""
        self._stamps.append(stamp)

    def __call__(self) -> float:
        now = monotonic()
        recent = [stamp for stamp in list(self._stamps) if now - stamp <= self._window]
        span = min(self._window, now - self._began)
        if len(recent) == self._stamps.maxlen:  # faster than the deque is long
            span = now - recent[0]
        return len(recent) / span if span > 0 else 0.0


class Timings:
    """Milliseconds by stage over a stream's frames; may be read from any thread."""

    def __init__(self) -> None:
        self._stages: dict[str, Samples] = {}
        self._lock = Lock()

    def add(self, ms: Mapping[str, float]) -> None:
        """Takes a frame's times."""
        with self._lock:
            for stage, value in ms.items():
                self._stages.setdefault(stage, Samples()).add(value)

    def summary(self) -> dict[str, dict[str, float]]:
        """Percentiles by stage."""
        with self._lock:
            return {stage: samples.summary() for stage, samples in self._stages.items()}

    def histograms(self) -> dict[str, Histogram]:
        """Of all frames, by stage."""
        with self._lock:
            return {stage: samples.histogram() for stage, samples in self._stages.items()}

    def percentile(self, stage: str, q: float) -> float:
        """One percentile of one stage, 0 where it never ran."""
        with self._lock:
            samples = self._stages.get(stage)
            return samples.percentile(q) if samples else 0.0
