"""DeAOT (Yang and Yang, NeurIPS 2022): gated propagation of a visual and an identity branch."""

from __future__ import annotations

from torch import Tensor, nn

from ermu.export.families.deaot.block import DeaotCarry
from ermu.export.families.deaot.propagation import propagation_graph
from ermu.export.families.deaot.tensors import DeaotTensors
from ermu.export.families.deaot.transformer import DeaotTransformer
from ermu.export.family import Family
from ermu.export.graph import Graph
from ermu.export.network.memory import MemoryEntry
from ermu.export.network.network import SegmentationNetwork
from ermu.export.network.spec import NetworkSpec
from ermu.export.tensors import decoder_input
from ermu.runtime.bundle.manifest import ScoreInfo


class DeaotFamily(Family):
    """See `Family`."""

    score = ScoreInfo(
        relevance_weight=2,
        redundancy_slope=7,
        redundancy_centre=0.25,
        momentum=0.8,
        update_mean_at="append",
    )

    def transformer(self, spec: NetworkSpec) -> nn.Module:
        return DeaotTransformer(spec)

    def output_channels(self, spec: NetworkSpec) -> int:
        return 2 * spec.width

    def identity_norm(self, spec: NetworkSpec) -> nn.Module:
        return nn.LayerNorm(spec.width)

    def tensors(self, spec: NetworkSpec) -> DeaotTensors:
        return DeaotTensors(spec)

    def carried(self, kept: list[Tensor]) -> list[DeaotCarry]:
        unread = kept[0]  # keys are entries already: nobody asks for them again
        pairs = zip(kept[1::2], kept[2::2], strict=True)
        return [DeaotCarry(unread, kept[0], None), *(DeaotCarry(unread, *pair) for pair in pairs)]

    def values(self, entry: MemoryEntry) -> list[Tensor]:
        return [value for _, value in entry.long]

    def flattened(self, entry: MemoryEntry) -> list[Tensor]:
        return [x for pair in entry.long for x in pair]

    def prefix(self, network: SegmentationNetwork) -> None:
        """Block 0 has nothing before its memories but the projections that they need."""

    def propagation(self, network: SegmentationNetwork) -> list[Graph]:
        z = decoder_input(self.output_channels(network.spec))
        return [propagation_graph(network, index, z) for index in range(network.spec.blocks + 1)]


PLUGIN = DeaotFamily()
