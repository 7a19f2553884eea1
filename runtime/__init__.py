"""Frames to label maps without torch: bundle, backend, memory bank, segmenter, sources, sinks."""

from .bundle import Bundle
from .pipeline import LiveOptions, Pipeline, RunSummary
from .scheduler import Scheduler
from .segmenter import FrameResult, Segmenter
from .sources import Frame, Source, open_source

__all__ = [
    "Bundle",
    "Frame",
    "FrameResult",
    "LiveOptions",
    "Pipeline",
    "RunSummary",
    "Scheduler",
    "Segmenter",
    "Source",
    "open_source",
]
