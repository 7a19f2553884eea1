"""The figures of a run."""

from __future__ import annotations

from dataclasses import dataclass

from ermu.runtime.timing.statistics import Timings


@dataclass(frozen=True)
class RunSummary:
    """Figures of a run.

    Attributes:
        frames: Frames segmented.
        seconds: Wall time from the first frame on, reading and writing included.
        timings: Milliseconds by stage; `frame` is the segmenting of a frame after the first.
        lost: Whether the source went away and did not come back.
    """

    frames: int
    seconds: float
    timings: Timings
    lost: bool = False

    @property
    def fps(self) -> float:
        return self.frames / self.seconds if self.seconds else 0.0

    def percentile(self, q: float) -> float:
        """Percentile of the segmenting time in milliseconds."""
        return self.timings.percentile("frame", q)
