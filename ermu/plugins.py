"""What a package that plugs in builds on (docs/plugins.md); each name is loaded when it is first used."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ermu.benchmarks.peer import Peer, PeerOptions
    from ermu.evaluation.layout import Layout
    from ermu.evaluation.prediction.base import Predictor
    from ermu.export.encoder import Encoder
    from ermu.export.family import Family
    from ermu.formats.clip import AnnotatedFrame, Clip
    from ermu.formats.format import AnnotationFormat
    from ermu.formats.images import FrameImages
    from ermu.runtime.backends.base import Backend, Misfit, Opening
    from ermu.runtime.bundle.store import BundleStore
    from ermu.runtime.memory.policy import Decision, EvictionPolicy, Evidence
    from ermu.runtime.memory.scored_policy import ScoredPolicy
    from ermu.runtime.results import FrameResult
    from ermu.runtime.sinks.base import Sink, SinkContext, needed_target
    from ermu.runtime.sources.base import Frame, Source, live_frame

__all__ = [
    "AnnotatedFrame",
    "AnnotationFormat",
    "Backend",
    "BundleStore",
    "Clip",
    "Decision",
    "Encoder",
    "EvictionPolicy",
    "Evidence",
    "Family",
    "Frame",
    "FrameImages",
    "FrameResult",
    "Layout",
    "Misfit",
    "Opening",
    "Peer",
    "PeerOptions",
    "Predictor",
    "ScoredPolicy",
    "Sink",
    "SinkContext",
    "Source",
    "live_frame",
    "needed_target",
]

_HOMES = {
    "ermu.benchmarks.peer": ("Peer", "PeerOptions"),
    "ermu.evaluation.layout": ("Layout",),
    "ermu.evaluation.prediction.base": ("Predictor",),
    "ermu.export.encoder": ("Encoder",),
    "ermu.export.family": ("Family",),
    "ermu.formats.clip": ("AnnotatedFrame", "Clip"),
    "ermu.formats.format": ("AnnotationFormat",),
    "ermu.formats.images": ("FrameImages",),
    "ermu.runtime.backends.base": ("Backend", "Misfit", "Opening"),
    "ermu.runtime.bundle.store": ("BundleStore",),
    "ermu.runtime.memory.policy": ("Decision", "EvictionPolicy", "Evidence"),
    "ermu.runtime.memory.scored_policy": ("ScoredPolicy",),
    "ermu.runtime.results": ("FrameResult",),
    "ermu.runtime.sinks.base": ("Sink", "SinkContext", "needed_target"),
    "ermu.runtime.sources.base": ("Frame", "Source", "live_frame"),
}


def __getattr__(name: str) -> Any:
    for home, names in _HOMES.items():
        if name in names:
            return getattr(import_module(home), name)
    raise AttributeError(f"module 'ermu.plugins' has no attribute '{name}'")
