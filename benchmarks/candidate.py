"""A candidate: one way of running the network, its memory and its samples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median
from time import perf_counter

import numpy as np

from ermu.benchmarks.measures.similarity import jaccard
from ermu.benchmarks.report.report import Figures, Percentiles, Samples, StepTimes
from ermu.runtime.backends.base import Backend
from ermu.runtime.results import FrameResult
from ermu.runtime.segmenter import Segmenter
from ermu.types import Image, LabelMap

_NEVER = 1 << 30  # a gap that no run reaches


@dataclass
class Candidate:
    """A segmenter that steps through the same frames as the others.

    Attributes:
        name: `ours`, or a peer's.
        description: How it runs.
        precision: What it computes in.
        segmenter: Its own.
        memory: T.
        gap: Frames between two appends once the memory is full.
        backend: Closed with the candidate, where it was lent to the segmenter.
        labels: Label maps of the latest frames, for comparing.
        evicted: Frames that left its bank, in order.
    """

    name: str
    description: str
    precision: str
    segmenter: Segmenter
    memory: int
    gap: int
    backend: Backend | None = None
    labels: list[LabelMap] = field(default_factory=list)
    evicted: list[int] = field(default_factory=list)
    _step_ms: list[float] = field(default_factory=list)
    _appends: list[bool] = field(default_factory=list)
    _stages_ms: dict[str, list[float]] = field(default_factory=dict)
    _launches: list[int] = field(default_factory=list)

    def fill(self, images: Sequence[Image], label: LabelMap) -> None:
        """Begins with the first of T images and appends every other, so that the memory is full.

        With T = 1 nothing is ever appended: the bank keeps its first frame alone.
        """
        self.segmenter.start(images[0], label)
        self.segmenter.gap = 1
        self.labels = [self._step(image)[0].label for image in images[1:]]
        self.segmenter.gap = self.steady_gap

    @property
    def steady_gap(self) -> int:
        """The segmenter's gap once its memory is full."""
        return _NEVER if self.memory == 1 else self.gap

    def run(self, images: Sequence[Image], *, timed: bool) -> None:
        """Steps through whole gap cycles."""
        self.labels = []
        device = self.segmenter.backend.device
        for image in images:
            before = device.launches
            result, ms = self._step(image)
            self.labels.append(result.label)
            if timed:
                self._keep(result, ms)
                self._launches.append(device.launches - before)

    def similarities(self, truths: Sequence[LabelMap]) -> list[float]:
        """J of each object on each of the latest frames, whose labels are known."""
        pairs = zip(self.labels, truths, strict=True)
        return [j for label, truth in pairs for j in jaccard(label, truth)]

    def agreement(self, other: Candidate) -> float:
        """Share of pixels of the latest frames with the same label as the other's."""
        return float(np.mean([np.mean(a == b) for a, b in zip(self.labels, other.labels, strict=True)]))

    def close(self) -> None:
        """Frees the segmenter and the backend."""
        self.segmenter.close()
        if self.backend is not None:
            self.backend.close()

    def samples(self) -> Samples:
        """Raw times of the timed frames."""
        stages = {stage: [round(ms, 4) for ms in values] for stage, values in self._stages_ms.items()}
        return Samples(step_ms=[round(ms, 4) for ms in self._step_ms], memory=self._appends, stages_ms=stages)

    def figures(self) -> Figures:
        """Summary of the timed frames."""
        return summarise(self.samples(), self.gap, self.description, self.precision)

    @property
    def launches(self) -> int | None:
        """What the median frame that appends nothing hands to the GPU's driver; None on the host."""
        steady = [n for n, appends in zip(self._launches, self._appends, strict=True) if not appends]
        return round(median(steady or self._launches)) if any(self._launches) else None

    def _step(self, image: Image) -> tuple[FrameResult, float]:
        began = perf_counter()
        result = self.segmenter.step(image)
        ms = 1e3 * (perf_counter() - began)
        self.evicted += [update.evicted for update in result.memory if update.evicted is not None]
        return result, ms

    def _keep(self, result: FrameResult, ms: float) -> None:
        self._step_ms.append(ms)
        self._appends.append(result.frame in result.memory_frames)
        for stage, value in result.ms.items():
            self._stages_ms.setdefault(stage, []).append(value)


def summarise(samples: Samples, gap: int, description: str, precision: str) -> Figures:
    """Percentiles of raw samples that span whole gap cycles."""
    steps = samples.step_ms
    cycles = [float(np.mean(steps[i : i + gap])) for i in range(0, len(steps), gap)]
    appends = [ms for ms, is_memory in zip(steps, samples.memory, strict=True) if is_memory]
    steady = [ms for ms, is_memory in zip(steps, samples.memory, strict=True) if not is_memory]
    return Figures(
        description=description,
        precision=precision,
        step_ms=StepTimes(
            **percentiles(steps).model_dump(),
            steady=median(steady or appends),
            memory=median(appends) if appends else None,
        ),
        cycle_ms=median(cycles),
        fps=1e3 * len(steps) / sum(steps),
        stages_ms={stage: percentiles(values) for stage, values in samples.stages_ms.items()},
    )


def percentiles(values: Sequence[float]) -> Percentiles:
    """p50, p90 and p99 of raw samples."""
    p50, p90, p99 = (float(p) for p in np.percentile(values, (50, 90, 99)))
    return Percentiles(p50=p50, p90=p90, p99=p99)
