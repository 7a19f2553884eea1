"""What is AOT's own: its networks, constants, carry and graphs."""

from __future__ import annotations

from typing import Any

from torch import nn

from ermu.export.families.aot.block import AotCarry
from ermu.export.families.aot.parts import aot_parts
from ermu.export.families.aot.transformer import AotTransformer
from ermu.export.family import Family
from ermu.export.graph import Graph
from ermu.export.network.network import SegmentationNetwork
from ermu.export.network.spec import NetworkSpec
from ermu.export.network.transformer import BlockCarry
from ermu.export.tensors import KEY, new_entry, on_grid
from ermu.runtime.bundle.parts import ScoreInfo, TensorInfo
from ermu.runtime.bundle.roles import Role


def aot_network(name: str, encoder: str, blocks: int, *, family: str = "aot", **others: Any) -> NetworkSpec:
    """A network of AOT's published widths."""
    widths: dict[str, Any] = {"key_width": 256, "feedforward": 1024, "decoder_width": 256}
    return NetworkSpec(name, family, encoder, blocks, 256, heads=8, **widths, **others)


class AotFamily(Family):
    """AOT (`docs/spec/network.md`): the next frame reads a memory of its own, made of the local readout."""

    networks: tuple[NetworkSpec, ...] = (
        aot_network("r50_aotl", "resnet50", 3),
        aot_network("aott", "mobilenetv2", 1),
    )
    score = ScoreInfo(
        relevance_weight=4,
        redundancy_slope=10,
        redundancy_centre=0.4,
        momentum=0.8,
        update_mean_at="eviction",
    )
    carry_type: type[BlockCarry] = AotCarry
    separate_previous = True

    def transformer(self, spec: NetworkSpec) -> AotTransformer:
        """See `Family.transformer`."""
        return AotTransformer(spec)

    def identity_norm(self, spec: NetworkSpec) -> nn.Module:
        """See `Family.identity_norm`: none here."""
        return nn.Identity()

    def value_width(self, spec: NetworkSpec) -> int:
        """See `Family.value_width`."""
        return spec.width

    def carried(self, spec: NetworkSpec, block: int) -> tuple[TensorInfo, ...]:
        """See `Family.carried`."""
        return (
            new_entry(block, KEY, spec.key_width),
            on_grid(f"carry_value{block}", spec.width, Role.CARRY, block=block),
            new_entry(block, KEY, spec.key_width, previous=True),
            on_grid(f"carry_local{block}", spec.width, Role.CARRY, block=block),
        )

    def external_attention_graphs(self, network: SegmentationNetwork) -> tuple[Graph | None, list[Graph]]:
        """See `Family.external_attention_graphs`."""
        return aot_parts(self, network)
