"""Another system as a candidate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter

from ermu.benchmarks.candidates.candidate import Candidate
from ermu.benchmarks.systems.system import System
from ermu.types import Image, LabelMap


@dataclass
class SystemCandidate(Candidate):
    """A system with a network, a memory rule and a frame loop of its own.

    Attributes:
        system: Closed with the candidate.
    """

    system: System

    def run(self, images: Sequence[Image], *, timed: bool) -> None:
        """See `Candidate.run`: from the source's frame to a label map of its size."""
        self.labels = []
        for image in images:
            began = perf_counter()
            followed = self.system.step(image)
            ms = 1e3 * (perf_counter() - began)
            self.labels.append(followed.label)
            if timed:
                self._step_ms.append(ms)
                self._appends.append(followed.remembered)

    def close(self) -> None:
        """See `Candidate.close`."""
        self.system.close()

    def _start(self, image: Image, label: LabelMap) -> None:
        self.system.start(image, label)
        self.description, self.precision = self.system.description, self.system.precision
        if self.gap % self.system.gap:  # so that a cycle has as many memory frames as the next
            self.gap = self.system.gap

    def _follow(self, image: Image) -> LabelMap:
        return self.system.step(image).label

    @property
    def network(self) -> str | None:
        """See `Candidate.network`."""
        return self.system.network

    @property
    def trained(self) -> bool:
        """See `Candidate.trained`."""
        return self.system.trained
