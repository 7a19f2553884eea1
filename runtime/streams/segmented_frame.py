"""What a stream shows: a frame and what was found in it."""

from __future__ import annotations

from dataclasses import dataclass

from ermu.runtime.results import FrameResult
from ermu.runtime.sources.base import Frame


@dataclass(frozen=True)
class View:
    """The latest frame with its result: held, not made up, while the stream is stale."""

    frame: Frame
    result: FrameResult
