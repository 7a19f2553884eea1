"""One run of a pipeline: what it was asked for, its reader, and when it began and ended."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter

from ermu.errors import SourceError
from ermu.runtime.prompts import Prompts
from ermu.runtime.results import FrameResult
from ermu.runtime.sources.base import Frame
from ermu.runtime.sources.reader import StreamReader
from ermu.types import LabelMap

OnFrame = Callable[[Frame, FrameResult], None]


@dataclass
class Run:
    """State of a run.

    Attributes:
        reader: Reads the source.
        prompt: Label map of the first frame, uint8 H x W, those of several frames, or None.
        max_frames: To stop after.
        on_frame: Called by the worker after every frame.
        began: Performance counter at the start, None before it.
        ended: At the end.
        lost: Whether the source went away and did not come back before it was given up.
        strict: Refuse damaged frames, and a source that ends early.
        damaged: Damaged frames so far.
        missing: Frames that the source promised and that did not come.
    """

    reader: StreamReader
    prompt: LabelMap | Prompts | None = None
    max_frames: int | None = None
    on_frame: OnFrame | None = None
    began: float | None = None
    ended: float | None = None
    lost: bool = False
    strict: bool = False
    damaged: int = 0
    missing: int = 0

    @property
    def seconds(self) -> float:
        """From the start to the end, or until now; 0 before the start."""
        if self.began is None:
            return 0.0
        return (perf_counter() if self.ended is None else self.ended) - self.began

    def without_frames(self) -> SourceError:
        """The error of a source that has ended before its first frame."""
        reader = self.reader
        why = f": {reader.last_reason}" if reader.last_reason else ""
        return SourceError(
            f"{reader.source.description}: it ended before its first frame{why}.",
            expected="at least one frame",
            fix=None if reader.last_error is None else reader.last_error.fix,
        )

    def note_damaged(self, frame: Frame) -> None:
        """Counts a damaged frame.

        Raises:
            SourceError: the run is strict.
        """
        self.damaged += frame.damaged
        if self.strict:
            raise SourceError(
                f"Frame {frame.name} of {self.reader.source.description} is damaged.",
                expected="whole frames, as --strict asks for",
                fix="get the file anew, or leave --strict out to segment what can be decoded",
            )

    def note_missing(self, missing: int, frames: int) -> None:
        """Keeps how many promised frames did not come after the `frames` that did.

        Raises:
            SourceError: the run is strict, and some did not.
        """
        self.missing = missing
        if self.strict and missing:
            raise SourceError(
                f"{self.reader.source.description} ended after {frames} of {frames + missing} frames.",
                expected="every frame that the file promises, as --strict asks for",
                fix="get the file anew, or leave --strict out; what was segmented is written",
            )
