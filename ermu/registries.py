"""Every kind of thing that can be plugged in, and where its modules lie (docs/architecture.md, "To add").

Nothing heavy is imported here: a registry knows names, and imports a thing when it is asked for. What a
thing must be is said by its annotation.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ermu.registry import Registry

if TYPE_CHECKING:
    from ermu.benchmarks.peer import Peer
    from ermu.evaluation.layout import Layout
    from ermu.evaluation.prediction.base import Predictor
    from ermu.export.encoder import Encoder
    from ermu.export.family import Family
    from ermu.formats.format import AnnotationFormat
    from ermu.runtime.backends.base import Backend
    from ermu.runtime.bundle.store import BundleStore
    from ermu.runtime.memory.policy import EvictionPolicy
    from ermu.runtime.sinks.base import Sink
    from ermu.runtime.sources.base import Source

BACKENDS: Registry[type[Backend]] = Registry(
    "backend",
    "ermu.runtime.backends.libraries",
    "ermu.runtime.backends.base:Backend",
    group="ermu.backends",
)
POLICIES: Registry[type[EvictionPolicy]] = Registry(
    "eviction policy",
    "ermu.runtime.memory.policies",
    "ermu.runtime.memory.policy:EvictionPolicy",
    group="ermu.policies",
)
SOURCES: Registry[type[Source]] = Registry(
    "source", "ermu.runtime.sources.kinds", "ermu.runtime.sources.base:Source", group="ermu.sources"
)
SINKS: Registry[type[Sink]] = Registry(
    "sink", "ermu.runtime.sinks.kinds", "ermu.runtime.sinks.base:Sink", group="ermu.sinks"
)
FAMILIES: Registry[Family] = Registry(
    "network family",
    "ermu.export.families",
    "ermu.export.family:Family",
    group="ermu.families",
    folders=True,
)
ENCODERS: Registry[type[Encoder]] = Registry(
    "encoder", "ermu.export.encoders", "ermu.export.encoder:Encoder", group="ermu.encoders"
)
BASELINES: Registry[type[Predictor]] = Registry(
    "baseline",
    "ermu.evaluation.baselines",
    "ermu.evaluation.prediction.base:Predictor",
    group="ermu.baselines",
)
PEERS: Registry[Peer] = Registry(
    "peer", "ermu.benchmarks.peers", "ermu.benchmarks.peer:Peer", group="ermu.peers"
)
DATASETS: Registry[type[Layout]] = Registry(
    "dataset", "ermu.evaluation.layouts", "ermu.evaluation.layout:Layout", group="ermu.datasets"
)
FORMATS: Registry[type[AnnotationFormat]] = Registry(
    "annotation format", "ermu.formats.kinds", "ermu.formats.format:AnnotationFormat", group="ermu.formats"
)
STORES: Registry[type[BundleStore]] = Registry(
    "bundle store", "ermu.runtime.bundle.stores", "ermu.runtime.bundle.store:BundleStore", group="ermu.stores"
)
