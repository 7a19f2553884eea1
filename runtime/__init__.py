"""Frames to label maps without torch: bundle, backend, memory bank, segmenter, sources, sinks."""

from .bundle import Bundle
from .pipeline import Pipeline, RunSummary
from .segmenter import FrameResult, Segmenter
from .sources import Frame, Source, open_source

__all__ = ["Bundle", "Frame", "FrameResult", "Pipeline", "RunSummary", "Segmenter", "Source", "open_source"]
