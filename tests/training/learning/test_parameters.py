"""Every learnable weight is in exactly one group, with the decay and rate of its kind."""

from __future__ import annotations

import pytest
import torch

from ermu.export.network.network import SegmentationNetwork
from ermu.export.network.spec import NetworkSpec, network_spec
from ermu.training.learning.parameters import parameter_groups


def _narrow(encoder: str, family: str) -> NetworkSpec:
    base = "aott" if family == "aot" else "deaott"
    keys = {"aot": (1, 32), "deaot": (1, 32)}[family]
    return network_spec(
        base, encoder=encoder, width=32, heads=keys[0], key_width=keys[1], feedforward=32, decoder_width=16
    )


@pytest.mark.parametrize("family", ["aot", "deaot"])
@pytest.mark.parametrize("encoder", ["resnet50", "resnet101", "mobilenetv2", "efficientnet_lite0", "swinb"])
def test_groups(encoder: str, family: str) -> None:
    with torch.device("meta"):
        network = SegmentationNetwork(_narrow(encoder, family))
    groups = parameter_groups(network, weight_decay=0.07, encoder_rate=0.1)
    of = {id(p): group for group in groups for p in group["params"]}
    assert len(of) == sum(len(group["params"]) for group in groups)
    named = dict(network.named_parameters())

    def group(name: str) -> tuple[float, float]:
        found = of[id(named[name])]
        return found["weight_decay"], found["rate"]

    assert group("decoder.conv_in.conv.weight") == (0.07, 1.0)
    assert group("decoder.conv_in.conv.bias") == (0.0, 1.0)
    assert group("LSTT.layers.0.norm1.weight") == (0.0, 1.0)
    assert group("cur_pos_emb") == group("mem_pos_emb") == (0.0, 1.0)
    assert group("decoder.conv_out.weight") == (0.0, 1.0)
    if family == "deaot":
        assert group("LSTT.layers.0.short_term_attn.relative_emb_k.weight") == (0.07, 1.0)
        assert group("LSTT.layers.0.short_term_attn.relative_emb_k.bias") == (0.0, 1.0)
    others = parameter_groups(network, 0.07, 0.1, undecayed=("linear_V",))
    decays = {id(p): g["weight_decay"] for g in others for p in g["params"]}
    assert decays[id(named["decoder.conv_out.weight"])] == decays[id(named["mem_pos_emb"])] == 0.07
    last = [name for name, p in named.items() if name.startswith("encoder.") and p.ndim in (2, 4)][-1]
    if encoder == "swinb":  # its norms decay, its tables of positions do not
        last = "encoder.layers.2.blocks.17.mlp.fc2.weight"
        assert (
            group("encoder.norm2.weight") == group("encoder.layers.0.downsample.norm.weight") == (0.07, 0.1)
        )
        assert group("encoder.norm2.bias") == (0.0, 0.1)
        assert group("encoder.layers.1.blocks.0.attn.relative_position_bias_table") == (0.0, 0.1)
    assert group(last) == (0.07, 0.1)
    first = next(name for name in named if name.startswith("encoder."))
    assert id(named[first]) not in of
    left_out = [name for name, p in named.items() if id(p) not in of]
    assert left_out and all(name.startswith("encoder.") for name in left_out)
