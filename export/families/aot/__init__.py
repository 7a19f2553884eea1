"""AOT (Yang, Wei and Yang, NeurIPS 2021): multi-head attention and a feed-forward in every block."""

from __future__ import annotations

from torch import Tensor, nn

from ermu.export.families.aot.block import AotCarry
from ermu.export.families.aot.propagation import prefix_graph, propagation_graph
from ermu.export.families.aot.tensors import AotTensors
from ermu.export.families.aot.transformer import AotTransformer
from ermu.export.family import Family
from ermu.export.graph import Graph
from ermu.export.network.memory import MemoryEntry
from ermu.export.network.network import SegmentationNetwork
from ermu.export.network.spec import NetworkSpec
from ermu.export.tensors import decoder_input
from ermu.runtime.bundle.manifest import ScoreInfo


class AotFamily(Family):
    """See `Family`."""

    score = ScoreInfo(
        relevance_weight=4,
        redundancy_slope=10,
        redundancy_centre=0.4,
        momentum=0.8,
        update_mean_at="eviction",
    )

    def transformer(self, spec: NetworkSpec) -> nn.Module:
        return AotTransformer(spec)

    def output_channels(self, spec: NetworkSpec) -> int:
        return spec.width * (spec.blocks + 1)

    def identity_norm(self, spec: NetworkSpec) -> nn.Module:
        return nn.Identity()

    def tensors(self, spec: NetworkSpec) -> AotTensors:
        return AotTensors(spec)

    def carried(self, kept: list[Tensor]) -> list[AotCarry]:
        unread = kept[0]  # keys are entries already: nobody asks for them again
        pairs = zip(kept[0::2], kept[1::2], strict=True)
        return [AotCarry(unread, value, unread, local) for value, local in pairs]

    def values(self, entry: MemoryEntry) -> list[Tensor]:
        pairs = zip(entry.long, entry.short, strict=True)
        return [value for long, short in pairs for value in (long[1], short[1])]

    def flattened(self, entry: MemoryEntry) -> list[Tensor]:
        return [x for long, short in zip(entry.long, entry.short, strict=True) for x in (*long, *short)]

    def prefix(self, network: SegmentationNetwork) -> Graph:
        return prefix_graph(network)

    def propagation(self, network: SegmentationNetwork) -> list[Graph]:
        z = decoder_input(self.output_channels(network.spec))
        return [propagation_graph(network, index, z) for index in range(network.spec.blocks + 1)]


PLUGIN = AotFamily()
