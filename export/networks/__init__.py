"""The networks in torch: one description (`NetworkSpec`), one module (`SegmentationNetwork`)."""

from .memory import KeyValue, MemoryEntry
from .network import Carry, Features, SegmentationNetwork
from .spec import NETWORKS, OBJECT_CAPACITY, NetworkSpec, network_spec

__all__ = [
    "NETWORKS",
    "OBJECT_CAPACITY",
    "Carry",
    "Features",
    "KeyValue",
    "MemoryEntry",
    "NetworkSpec",
    "SegmentationNetwork",
    "network_spec",
]
