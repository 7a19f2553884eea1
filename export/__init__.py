"""From a torch checkpoint to a bundle, and from a bundle to other precisions and engines.

Names load on first use: exporting needs torch, converting onnx, building an engine neither.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ermu.export.bundle_writer import export_bundle
    from ermu.export.checkpoint import Checkpoint, load_checkpoint
    from ermu.export.engines.building import build_engines
    from ermu.export.graphs import build_graphs
    from ermu.export.network.recognition import build_network, recognise
    from ermu.export.precision.conversion import add_precision

__all__ = [
    "Checkpoint",
    "add_precision",
    "build_engines",
    "build_graphs",
    "build_network",
    "export_bundle",
    "load_checkpoint",
    "recognise",
]

_HOMES = {
    "Checkpoint": "checkpoint",
    "add_precision": "precision.conversion",
    "build_engines": "engines.building",
    "build_graphs": "graphs",
    "build_network": "network.recognition",
    "export_bundle": "bundle_writer",
    "load_checkpoint": "checkpoint",
    "recognise": "network.recognition",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_HOMES[name]}", __name__), name)
