"""ERMU: memory-bank video object segmentation for live video.

Three names to learn: `export_bundle` makes a bundle from a checkpoint (with torch), `Segmenter` turns
frames into label maps, `Pipeline` joins a source, a segmenter and sinks (both without torch).
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"
__all__ = ["Pipeline", "Segmenter", "export_bundle"]

if TYPE_CHECKING:
    from ermu.export.bundle_writer import export_bundle
    from ermu.runtime.segmenter import Segmenter
    from ermu.runtime.streams.pipeline import Pipeline

_HOMES = {
    "Pipeline": "ermu.runtime.streams.pipeline",
    "Segmenter": "ermu.runtime.segmenter",
    "export_bundle": "ermu.export.bundle_writer",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'ermu' has no attribute '{name}'")
    return getattr(import_module(_HOMES[name]), name)
