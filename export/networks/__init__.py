"""The networks in torch: one description (`NetworkSpec`), one module (`SegmentationNetwork`)."""

from .network import Carry, Features, SegmentationNetwork, temporal_row
from .memory import KeyValue, MemoryEntry
from .spec import NETWORKS, OBJECT_CAPACITY, TEMPORAL_ROWS, NetworkSpec, network_spec

__all__ = [
    "NETWORKS",
    "OBJECT_CAPACITY",
    "TEMPORAL_ROWS",
    "Carry",
    "Features",
    "KeyValue",
    "MemoryEntry",
    "NetworkSpec",
    "SegmentationNetwork",
    "network_spec",
    "temporal_row",
]
