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
        warmup: Frames that it will step through before any is timed.
    """

    system: System
    warmup: int

    def fill(self, images: Sequence[Image], label: LabelMap) -> None:
        """See `Candidate.fill`.

        Where T frames and the warm-up are too few for its memory, the last frame is shown again until they
        are not: it would be timed with less to read than it has in the long run.
        """
        self.system.start(images[0], label)
        self.description, self.precision = self.system.description, self.system.precision
        if self.gap % self.system.gap:  # so that a cycle has as many memory frames as the next
            self.gap = self.system.gap
        self.labels = [self.system.step(image).label for image in images[1:]]
        for _ in range(len(images) + self.warmup, self.system.settles):
            self.system.step(images[-1])

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

    @property
    def network(self) -> str | None:
        """See `Candidate.network`."""
        return self.system.network

    @property
    def trained(self) -> bool:
        """See `Candidate.trained`."""
        return self.system.trained
