"""ERMU: memory-bank video object segmentation for live video.

Three names to learn: `export_bundle` makes a bundle from a checkpoint (with torch), `Segmenter` turns
frames into label maps, `Pipeline` joins a source, a segmenter and sinks (both without torch). All that users
need is imported from here, and loaded when it is first used; docs/stability.md says what stays as it is.
"""

from __future__ import annotations

import logging
import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

from ermu.errors import (
    AnnotationError,
    BackendError,
    BenchmarkError,
    BundleError,
    CheckpointError,
    DatasetError,
    DependencyError,
    ErmuError,
    KernelError,
    OptionError,
    PromptError,
    SessionError,
    SinkError,
    SourceError,
    StateError,
)
from ermu.redaction import redact_log
from ermu.version import __version__

if TYPE_CHECKING:
    from ermu.export.bundle_writer import export_bundle
    from ermu.runtime.bundle.bundle import Bundle
    from ermu.runtime.detections import Detection, Reseeder
    from ermu.runtime.images.labels import read_label_map, write_label_map
    from ermu.runtime.images.prompter import Box, Point
    from ermu.runtime.results import FrameResult
    from ermu.runtime.segmenter import Segmenter
    from ermu.runtime.segmenting.clicking import Clicked
    from ermu.runtime.sinks.base import SinkContext
    from ermu.runtime.sinks.opening import open_sink
    from ermu.runtime.sources.opening import open_source
    from ermu.runtime.streams.live_options import LiveOptions
    from ermu.runtime.streams.pipeline import Pipeline

__all__ = [
    "AnnotationError",
    "BackendError",
    "BenchmarkError",
    "Box",
    "Bundle",
    "BundleError",
    "CheckpointError",
    "Clicked",
    "DatasetError",
    "DependencyError",
    "Detection",
    "ErmuError",
    "FrameResult",
    "KernelError",
    "LiveOptions",
    "OptionError",
    "Pipeline",
    "Point",
    "PromptError",
    "Reseeder",
    "Segmenter",
    "SessionError",
    "SinkContext",
    "SinkError",
    "SourceError",
    "StateError",
    "__version__",
    "export_bundle",
    "open_sink",
    "open_source",
    "read_label_map",
    "write_label_map",
]

_HOMES = {
    "Box": "ermu.runtime.images.prompter",
    "Bundle": "ermu.runtime.bundle.bundle",
    "Clicked": "ermu.runtime.segmenting.clicking",
    "Detection": "ermu.runtime.detections",
    "FrameResult": "ermu.runtime.results",
    "LiveOptions": "ermu.runtime.streams.live_options",
    "Pipeline": "ermu.runtime.streams.pipeline",
    "Point": "ermu.runtime.images.prompter",
    "Reseeder": "ermu.runtime.detections",
    "Segmenter": "ermu.runtime.segmenter",
    "SinkContext": "ermu.runtime.sinks.base",
    "export_bundle": "ermu.export.bundle_writer",
    "open_sink": "ermu.runtime.sinks.opening",
    "open_source": "ermu.runtime.sources.opening",
    "read_label_map": "ermu.runtime.images.labels",
    "write_label_map": "ermu.runtime.images.labels",
}

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # read when onnxruntime is imported: it reports nothing
logging.getLogger("ermu").addHandler(logging.NullHandler())  # quiet unless a program listens
redact_log()


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'ermu' has no attribute '{name}'")
    try:
        return getattr(import_module(_HOMES[name]), name)
    except ImportError:
        from ermu.runtime.opencv import need_opencv

        need_opencv()  # says what to do where it is OpenCV that does not load
        raise


def __dir__() -> list[str]:
    return __all__
