"""The runtime's own frame loop as a candidate: ours, or a peer that runs the network behind it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median
from time import perf_counter

from ermu.benchmarks.candidates.candidate import Candidate
from ermu.runtime.backends.base import Backend
from ermu.runtime.results import FrameResult
from ermu.runtime.segmenter import Segmenter
from ermu.types import Image, LabelMap

_NEVER = 1 << 30  # a gap that no run reaches


@dataclass
class SegmenterCandidate(Candidate):
    """A segmenter and its memory.

    Attributes:
        segmenter: Its own.
        memory: T.
        backend: Closed with the candidate, where it was lent to the segmenter.
    """

    segmenter: Segmenter
    memory: int
    backend: Backend | None = None
    _launches: list[int] = field(default_factory=list, init=False)

    def fill(self, images: Sequence[Image], label: LabelMap, *, warmup: int) -> None:
        """See `Candidate.fill`: every other image is appended, so that the memory is full.

        With T = 1 nothing is ever appended: the bank keeps its first frame alone.
        """
        super().fill(images, label, warmup=warmup)
        self.segmenter.gap = self.steady_gap

    @property
    def steady_gap(self) -> int:
        """The segmenter's gap once its memory is full."""
        return _NEVER if self.memory == 1 else self.gap

    def run(self, images: Sequence[Image], *, timed: bool) -> None:
        """See `Candidate.run`."""
        self.labels = []
        device = self.segmenter.backend.device
        for image in images:
            before = device.launches
            result, ms = self._step(image)
            self.labels.append(result.label)
            if timed:
                self._keep(result, ms)
                self._launches.append(device.launches - before)

    def close(self) -> None:
        """See `Candidate.close`."""
        self.segmenter.close()
        if self.backend is not None:
            self.backend.close()

    @property
    def launches(self) -> int | None:
        """See `Candidate.launches`."""
        steady = [n for n, appends in zip(self._launches, self._appends, strict=True) if not appends]
        return round(median(steady or self._launches)) if any(self._launches) else None

    def _start(self, image: Image, label: LabelMap) -> None:
        self.segmenter.start(image, label)
        self.segmenter.gap = _NEVER if self.memory == 1 else 1

    def _follow(self, image: Image) -> LabelMap:
        return self._step(image)[0].label

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
