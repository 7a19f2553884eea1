"""A candidate: something that follows the objects of a clip, and its samples."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median

import numpy as np

from ermu.benchmarks.measures.similarity import jaccard
from ermu.benchmarks.report.report import Figures, Percentiles, Samples, StepTimes
from ermu.types import Image, LabelMap


@dataclass
class Candidate(ABC):
    """What steps through the same frames as the others.

    Attributes:
        name: `ours`, or a peer's.
        description: How it runs.
        precision: What it computes in.
        gap: Frames between two appends of the bundle once the memory is full.
        settles: Frames from the first on until each asks for the same work: nothing it reads grows then.
        labels: Label maps of the latest frames, for comparing.
        evicted: Frames that left its bank, in order.
    """

    name: str
    description: str
    precision: str
    gap: int
    settles: int
    labels: list[LabelMap] = field(default_factory=list, kw_only=True)
    evicted: list[int] = field(default_factory=list, kw_only=True)
    _step_ms: list[float] = field(default_factory=list, init=False)
    _appends: list[bool] = field(default_factory=list, init=False)
    _stages_ms: dict[str, list[float]] = field(default_factory=dict, init=False)

    def fill(self, images: Sequence[Image], label: LabelMap, *, warmup: int) -> None:
        """Begins with the first of T images and fills the memory with the others.

        Where they and the warm-up are too few for it to settle, the last is shown again until they are not:
        it would be timed with less to read than it has in the long run.

        Args:
            images: BGR uint8 H x W x 3.
            label: Of the first.
            warmup: Frames that it will step through before any is timed.
        """
        self._start(images[0], label)
        self.labels = [self._follow(image) for image in images[1:]]
        for _ in range(len(images) + warmup, self.settles):
            self._follow(images[-1])

    @abstractmethod
    def run(self, images: Sequence[Image], *, timed: bool) -> None:
        """Steps through whole gap cycles."""

    @abstractmethod
    def close(self) -> None:
        """Frees what it holds."""

    @abstractmethod
    def _start(self, image: Image, label: LabelMap) -> None:
        """Begins with a labelled image; every one that follows is remembered, as far as the memory goes."""

    @abstractmethod
    def _follow(self, image: Image) -> LabelMap:
        """Takes the next image, untimed."""

    @property
    def network(self) -> str | None:
        """Of another system; None runs the bundle's own."""
        return None

    @property
    def trained(self) -> bool:
        """Whether its label maps say anything of its network."""
        return True

    @property
    def launches(self) -> int | None:
        """What the median frame that appends nothing hands to the GPU's driver; None on the host."""
        return None

    def similarities(self, truths: Sequence[LabelMap]) -> list[float]:
        """J of each object on each of the latest frames, whose labels are known."""
        pairs = zip(self.labels, truths, strict=True)
        return [j for label, truth in pairs for j in jaccard(label, truth)]

    def agreement(self, other: Candidate) -> float:
        """Share of pixels of the latest frames with the same label as the other's."""
        return float(np.mean([np.mean(a == b) for a, b in zip(self.labels, other.labels, strict=True)]))

    def samples(self) -> Samples:
        """Raw times of the timed frames."""
        stages = {stage: [round(ms, 4) for ms in values] for stage, values in self._stages_ms.items()}
        return Samples(step_ms=[round(ms, 4) for ms in self._step_ms], memory=self._appends, stages_ms=stages)

    def figures(self) -> Figures:
        """Summary of the timed frames."""
        figures = summarise(self.samples(), self.gap, self.description, self.precision)
        return figures.model_copy(update={"network": self.network})


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
