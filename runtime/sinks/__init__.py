"""Where results go: label maps, traces, object records, overlay videos, windows."""

from __future__ import annotations

from .feeder import SinkFeeder, SinkState
from .labels import LabelSink
from .objects import ObjectSink
from .overlay import OverlaySink
from .sink import Sink, claim_folder, make_folder
from .trace import TraceSink, trace_record
from .window import WindowSink

__all__ = [
    "LabelSink",
    "ObjectSink",
    "OverlaySink",
    "Sink",
    "SinkFeeder",
    "SinkState",
    "TraceSink",
    "WindowSink",
    "claim_folder",
    "make_folder",
    "trace_record",
]
