"""ERMU: memory-bank video object segmentation for live video.

Three names to learn: `export_bundle` makes a bundle from a checkpoint (with torch), `Segmenter` turns
frames into label maps, `Pipeline` joins a source, a segmenter and sinks (both without torch).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"
__all__ = ["Pipeline", "Segmenter", "export_bundle"]

if TYPE_CHECKING:
    from ermu.export import export_bundle
    from ermu.runtime import Pipeline, Segmenter


def __getattr__(name: str) -> Any:
    if name == "export_bundle":
        from ermu.export import export_bundle

        return export_bundle
    if name in ("Pipeline", "Segmenter"):
        import ermu.runtime

        return getattr(ermu.runtime, name)
    raise AttributeError(f"module 'ermu' has no attribute '{name}'")
