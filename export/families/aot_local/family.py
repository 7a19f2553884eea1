"""What is the zoo's AOT's own: its networks, carry and block."""

from __future__ import annotations

from typing import cast

from torch import Tensor

from ermu.export.families.aot.family import AotFamily, aot_network
from ermu.export.families.aot.transformer import AotTransformer
from ermu.export.families.aot_local.block import AotLocalBlock, AotLocalCarry
from ermu.export.families.aot_local.parts import aot_local_parts
from ermu.export.graph import Graph
from ermu.export.network.network import SegmentationNetwork
from ermu.export.network.spec import ZOO, NetworkSpec
from ermu.export.tensors import KEY, new_entry, on_grid
from ermu.runtime.bundle.parts import FIRST_FRAME_ALONE, TensorInfo
from ermu.runtime.bundle.roles import Role

_LOCAL = {**ZOO, "family": "aot-local"}


class AotLocalFamily(AotFamily):
    """AOT (`docs/spec/zoo.md`): one memory a frame; the next frame reads a window of it."""

    networks = (
        aot_network("zoo_aott", "mobilenetv2", 1, **_LOCAL, gap=FIRST_FRAME_ALONE),
        aot_network("zoo_aots", "mobilenetv2", 2, **_LOCAL, gap=FIRST_FRAME_ALONE),
        aot_network("zoo_aotb", "mobilenetv2", 3, **_LOCAL, gap=FIRST_FRAME_ALONE),
        aot_network("zoo_aotl", "mobilenetv2", 3, **_LOCAL),
        aot_network("zoo_r50_aotl", "resnet50", 3, **_LOCAL),
        aot_network("zoo_r101_aotl", "resnet101", 3, **_LOCAL),
        aot_network("zoo_swinb_aotl", "swinb", 3, **_LOCAL, align_corners=False),
    )
    carry_type = AotLocalCarry
    separate_previous = False

    def transformer(self, spec: NetworkSpec) -> AotTransformer:
        """See `Family.transformer`."""
        return AotTransformer(spec, AotLocalBlock)

    def carried(self, spec: NetworkSpec, block: int) -> tuple[TensorInfo, ...]:
        """See `Family.carried`."""
        value = on_grid(f"carry_value{block}", spec.width, Role.CARRY, block=block)
        return new_entry(block, KEY, spec.key_width), value

    def external_attention_graphs(self, network: SegmentationNetwork) -> tuple[Graph | None, list[Graph]]:
        """See `Family.external_attention_graphs`."""
        return aot_local_parts(self, network)

    def relative_values(self, network: SegmentationNetwork) -> dict[int, Tensor]:
        """See `Family.relative_values`."""
        blocks = cast("list[AotLocalBlock]", cast(AotTransformer, network.LSTT).blocks)
        return {i: block.short_term_attn.relative_values() for i, block in enumerate(blocks)}
