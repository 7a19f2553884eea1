"""What is DeAOT's own: its networks, constants, carry and graphs."""

from __future__ import annotations

from typing import Any

from torch import nn

from ermu.export.families.deaot.block import DeaotCarry
from ermu.export.families.deaot.parts import deaot_parts
from ermu.export.families.deaot.transformer import DeaotTransformer
from ermu.export.family import Family
from ermu.export.graph import Graph
from ermu.export.network.network import SegmentationNetwork
from ermu.export.network.spec import ZOO, NetworkSpec
from ermu.export.tensors import KEY, new_entry, on_grid
from ermu.runtime.bundle.parts import FIRST_FRAME_ALONE, ScoreInfo, TensorInfo
from ermu.runtime.bundle.roles import Role


def _network(name: str, encoder: str, blocks: int, **others: Any) -> NetworkSpec:
    widths: dict[str, Any] = {"key_width": 128, "feedforward": 512, "decoder_width": 256}
    return NetworkSpec(name, "deaot", encoder, blocks, 256, heads=1, **widths, **others)


class DeaotFamily(Family):
    """DeAOT (`docs/spec/network.md`): one memory a frame, for the bank and for the next frame alike."""

    networks = (
        _network("r50_deaotl", "resnet50", 3),
        _network("deaott", "mobilenetv2", 1),
        _network("zoo_deaott", "mobilenetv2", 1, **ZOO, gap=FIRST_FRAME_ALONE),
        _network("zoo_deaots", "mobilenetv2", 2, **ZOO, gap=FIRST_FRAME_ALONE),
        _network("zoo_deaotb", "mobilenetv2", 3, **ZOO, gap=FIRST_FRAME_ALONE),
        _network("zoo_deaotl", "mobilenetv2", 3, **ZOO),
        _network("zoo_r50_deaotl", "resnet50", 3, **ZOO),
        _network("zoo_swinb_deaotl", "swinb", 3, **ZOO, align_corners=False),
    )
    score = ScoreInfo(
        relevance_weight=2,
        redundancy_slope=7,
        redundancy_centre=0.25,
        momentum=0.8,
        update_mean_at="append",
    )
    carry_type = DeaotCarry
    separate_previous = False

    def transformer(self, spec: NetworkSpec) -> DeaotTransformer:
        """See `Family.transformer`."""
        return DeaotTransformer(spec)

    def identity_norm(self, spec: NetworkSpec) -> nn.Module:
        """See `Family.identity_norm`."""
        return nn.LayerNorm(spec.width)

    def value_width(self, spec: NetworkSpec) -> int:
        """See `Family.value_width`: both branches."""
        return 2 * spec.feedforward

    def carried(self, spec: NetworkSpec, block: int) -> tuple[TensorInfo, ...]:
        """See `Family.carried`; block 0 has no context."""
        value = on_grid(f"carry_value{block}", spec.feedforward, Role.CARRY, block=block)
        context = on_grid(f"carry_context{block}", spec.width, Role.CARRY, block=block)
        return (new_entry(block, KEY, spec.key_width), value, *([context] if block else []))

    def external_attention_graphs(self, network: SegmentationNetwork) -> tuple[Graph | None, list[Graph]]:
        """See `Family.external_attention_graphs`: block 0 does too little by itself to share it."""
        return None, deaot_parts(self, network)
