"""Frames to label maps without torch: bundle, backend, memory bank, segmenter, sources, sinks."""

from .bundle import Bundle
from .frame_result import FrameResult
from .live_options import LiveOptions
from .pipeline import Pipeline
from .run_summary import RunSummary
from .scheduler import Scheduler
from .segmenter import Segmenter
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
