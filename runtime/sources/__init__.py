"""Where frames come from: images, videos, cameras, network streams, procedural scenes."""

from __future__ import annotations

from .camera import CameraSource
from .images import ImageSource
from .network import NetworkSource
from .opening import open_source
from .paced import PacedSource
from .reader import StreamReader, StreamState
from .redaction import redact
from .scenes import SceneSource
from .source import Frame, Source
from .video import VideoSource

__all__ = [
    "CameraSource",
    "Frame",
    "ImageSource",
    "NetworkSource",
    "PacedSource",
    "SceneSource",
    "Source",
    "StreamReader",
    "StreamState",
    "VideoSource",
    "open_source",
    "redact",
]
