"""The Pipeline: a source's frames through the segmenter into the sinks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import islice
from time import perf_counter

import numpy as np

from ermu.errors import SourceError

from .labels import LabelMap
from .segmenter import FrameResult, Segmenter
from .sinks import Sink
from .sources import Frame, Source


@dataclass
class RunSummary:
    """Figures of a run.

    Attributes:
        frame_ms: Milliseconds of each frame after the first, segmenting only.
        seconds: Wall time of the whole run, reading and writing included.
    """

    frame_ms: list[float] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def frames(self) -> int:
        return len(self.frame_ms) + 1

    @property
    def fps(self) -> float:
        return self.frames / self.seconds if self.seconds else 0.0

    def percentile(self, q: float) -> float:
        """Percentile of the segmenting time in milliseconds."""
        return float(np.percentile(self.frame_ms, q)) if self.frame_ms else 0.0


class Pipeline:
    """Runs a stream from its first labelled frame to its end.

    Args:
        segmenter: Reset by every run.
        source: Opened; closed by the caller.
        sinks: Take every frame in order; closed by `run`, also when it fails.
    """

    def __init__(self, segmenter: Segmenter, source: Source, sinks: Sequence[Sink] = ()) -> None:
        self._segmenter, self._source, self._sinks = segmenter, source, sinks

    def run(
        self,
        prompt: LabelMap,
        *,
        max_frames: int | None = None,
        on_frame: Callable[[Frame, FrameResult], None] | None = None,
    ) -> RunSummary:
        """Segments the stream.

        Args:
            prompt: Label map of the first frame, uint8 H x W.
            max_frames: Stop after so many frames.
            on_frame: Called after every frame.

        Raises:
            SourceError: the source ends before its first frame, or a frame changes size.
            PromptError: the prompt does not fit the first frame.
            SinkError: a result cannot be written; those already written stay.
        """
        summary, began = RunSummary(), perf_counter()
        frames = islice(self._source, max_frames)
        with ExitStack() as stack:
            for sink in self._sinks:
                stack.enter_context(sink)
            for frame in frames:
                start = perf_counter()
                if frame.index == 0:
                    result = self._segmenter.start(frame.image, prompt)
                else:
                    result = self._segmenter.step(frame.image)
                    summary.frame_ms.append(1e3 * (perf_counter() - start))
                for sink in self._sinks:
                    sink.write(frame, result)
                if on_frame:
                    on_frame(frame, result)
        if self._segmenter.frame < 0:
            raise SourceError("The source ended before its first frame.", expected="at least one frame")
        summary.seconds = perf_counter() - began
        return summary
