"""Figures of a stream that runs for weeks, in constant memory: percentiles, rates, counts."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from threading import Lock
from time import monotonic

import numpy as np

RECENT = 4096  # samples that percentiles are taken over


class Samples:
    """The latest samples of a quantity, and what is known of all of them.

    Args:
        recent: Samples kept.
    """

    def __init__(self, recent: int = RECENT) -> None:
        self._ring = np.zeros(recent)
        self.count = 0
        self.maximum = 0.0

    def add(self, value: float) -> None:
        """Takes a sample."""
        self._ring[self.count % len(self._ring)] = value
        self.count += 1
        self.maximum = max(self.maximum, value)

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

    def percentile(self, stage: str, q: float) -> float:
        """One percentile of one stage, 0 where it never ran."""
        with self._lock:
            samples = self._stages.get(stage)
            return samples.percentile(q) if samples else 0.0
