"""The figures of a run."""

from __future__ import annotations

from dataclasses import dataclass

from ermu.errors import counted
from ermu.runtime.timing.statistics import Timings


@dataclass(frozen=True)
class RunSummary:
    """Figures of a run.

    Attributes:
        frames: Frames segmented.
        seconds: Wall time from the first frame on, reading and writing included.
        timings: Milliseconds by stage; `frame` is the segmenting of a frame after the first.
        lost: Whether the source went away and did not come back.
        missing: Frames that the source promised and that did not come.
        damaged: Frames whose file or stream was broken, segmented as far as they could be decoded.
        device_losses: Frames after which a fault ended the device, and every memory began anew from them.
    """

    frames: int
    seconds: float
    timings: Timings
    lost: bool = False
    missing: int = 0
    damaged: int = 0
    device_losses: tuple[int, ...] = ()

    @property
    def fps(self) -> float:
        return self.frames / self.seconds if self.seconds else 0.0

    def percentile(self, q: float) -> float:
        """Percentile of the segmenting time in milliseconds."""
        return self.timings.percentile("frame", q)

    def losses(self) -> list[str]:
        """What did not come, came damaged, or was forgotten, in words; empty where all is well."""
        told = []
        if self.missing:
            told.append(f"ended after {self.frames} of {self.frames + self.missing} frames")
        if self.damaged:
            told.append(f"{counted(self.damaged, 'frame')} damaged")
        if self.device_losses:
            frames = ", ".join(map(str, self.device_losses))
            told.append(f"the device was lost, and every memory began anew, after frame {frames}")
        return told
