"""Drop path and channel dropout: what is dropped, how often, and that nothing is in evaluation."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from ermu.export.network.network import SegmentationNetwork
from ermu.export.network.spec import network_spec
from ermu.training.learning.regularization import Dropped, Regularization


def _network(family: str, blocks: int = 2) -> SegmentationNetwork:
    changes = {"aot": {"heads": 1, "key_width": 32}, "deaot": {"key_width": 16}}[family]
    torch.manual_seed(0)
    base = {"aot": "aott", "deaot": "deaott"}[family]
    return SegmentationNetwork(
        network_spec(
            base,
            encoder="efficientnet_lite0",
            blocks=blocks,
            width=32,
            feedforward=32,
            decoder_width=16,
            **changes,  # type: ignore[arg-type]
        )
    )


class _Outputs:
    """What chosen modules return, after the hooks that were there before."""

    def __init__(self, network: nn.Module, *ends: str) -> None:
        self.seen: dict[str, list[Any]] = {}
        for name, module in network.named_modules():
            if name.startswith("LSTT.") and name.endswith(ends):
                module.register_forward_hook(self._note(name))

    def _note(self, name: str) -> Any:
        def hook(module: nn.Module, inputs: Any, output: Any) -> None:
            self.seen.setdefault(name, []).append(output)

        return hook


def _reference(network: SegmentationNetwork, samples: int) -> Tensor:
    """The decoder's input of samples that are all alike."""
    return network.reference(torch.ones(samples, 32, 3, 4), torch.ones(samples, 12, 32))[0]


def _kept(output: Tensor) -> Tensor:
    """Of B x n x C with samples alike: which samples are not zero."""
    return output.flatten(1).abs().sum(1) > 0


def test_aot_drops_self_attention_and_feed_forward_by_sample() -> None:
    network = _network("aot")
    network.eval()
    plain = _Outputs(network, ".self_attn", ".linear2")
    _reference(network, 1)
    Regularization(network, Dropped(0.1, 0.5))
    network.train()
    dropped = _Outputs(network, ".self_attn", ".linear2", ".projection")
    _reference(network, 2000)
    branches = {f"LSTT.layers.{i}.{name}" for i in range(2) for name in ("self_attn", "linear2")}
    assert set(plain.seen) == branches
    for name in branches:
        (output,) = dropped.seen[name]
        assert (~_kept(output)).float().mean().item() == pytest.approx(0.1, abs=0.025), name
    first = dropped.seen["LSTT.layers.0.self_attn"][0]  # before it every sample is the same
    expected = plain.seen["LSTT.layers.0.self_attn"][0]
    assert torch.allclose(first[_kept(first)], expected / 0.9, atol=1e-6)
    assert torch.allclose(first.mean(0, keepdim=True), expected, rtol=0.03)  # the expectation is unscaled
    memory = [v for name, v in dropped.seen.items() if "term_attn" in name]
    assert memory and all(_kept(output).all() for outputs in memory for output in outputs)


def test_deaots_two_branches_are_dropped_each_by_itself() -> None:
    network = _network("deaot", blocks=1).train()
    Regularization(network, Dropped(0.1, 0.0))
    dropped = _Outputs(network, ".self_attn")
    _reference(network, 3000)
    ((visual, identity),) = dropped.seen["LSTT.layers.0.self_attn"]
    gone = torch.stack((~_kept(visual), ~_kept(identity))).float()
    assert gone.mean(1).tolist() == pytest.approx([0.1, 0.1], abs=0.02)
    assert gone.prod(0).mean().item() == pytest.approx(0.01, abs=0.007)


def test_deaots_channels_are_dropped_behind_depthwise_convolutions() -> None:
    network = _network("deaot", blocks=1)
    network.eval()
    plain = _Outputs(network, ".dw_conv")
    _reference(network, 1)
    Regularization(network, Dropped(0.0, 0.1))
    network.train()
    dropped = _Outputs(network, ".dw_conv")
    _reference(network, 200)
    attentions = ("long_term_attn", "short_term_attn", "self_attn")
    assert set(dropped.seen) == {f"LSTT.layers.0.{name}.dw_conv" for name in attentions}
    for outputs in dropped.seen.values():
        gone = (outputs[0].abs().sum(1) == 0).float()  # B x C: a channel is dropped on the whole map
        assert gone.mean().item() == pytest.approx(0.1, abs=0.02)
        assert gone.std(0).min() > 0  # no channel is gone in every sample
    name = "LSTT.layers.0.long_term_attn.dw_conv"
    kept, expected = dropped.seen[name][0], plain.seen[name][0].expand(200, -1, -1)
    assert torch.allclose(kept[kept != 0], (expected / 0.9)[kept != 0], atol=1e-6)


@pytest.mark.parametrize("family", ["aot", "deaot"])
def test_nothing_is_dropped_in_evaluation(family: str) -> None:
    network = _network(family).eval()
    plain = _reference(network, 3)
    Regularization(network, Dropped(0.5, 0.5))
    assert torch.equal(_reference(network, 3), plain)
    assert not torch.equal(_reference(network.train(), 3), plain)


def test_a_step_and_a_process_drop_the_same_again() -> None:
    network = _network("aot").train()
    regularization = Regularization(network, Dropped(0.5, 0.0), seed=7, rank=0)

    def drawn(step: int) -> Tensor:
        regularization.begin_step(step)
        return _reference(network, 8)

    one, two = drawn(1), drawn(2)
    assert torch.equal(drawn(1), one) and not torch.equal(one, two)
    other = _network("aot").train()
    Regularization(other, Dropped(0.5), seed=7, rank=1).begin_step(1)
    assert not torch.equal(_reference(other, 8), one)


def test_swins_blocks_are_dropped_the_likelier_the_deeper() -> None:
    """Block i of 24 with 0.3 i / 23; the two of the first stage not at all."""
    torch.manual_seed(0)
    network = SegmentationNetwork(network_spec("zoo_swinb_deaotl", blocks=1))
    Regularization(network, Dropped(encoder_path=0.3))
    outputs: dict[str, Tensor] = {}
    for name, module in network.encoder.named_modules():
        if name.endswith((".attn", ".mlp")):
            module.register_forward_hook(lambda m, i, output, name=name: outputs.update({name: output}))
    with torch.no_grad():
        network.encoder.train()(torch.ones(40, 3, 48, 48))
    names = [f"layers.{s}.blocks.{b}" for s, depth in enumerate((2, 2, 18)) for b in range(depth)]
    gone = [(~_kept(outputs[f"{name}.{part}"])).sum().item() for name in names for part in ("attn", "mlp")]
    assert gone[:4] == [0] * 4
    expected = [0.3 * i / 23 * 40 for i in range(22) for _ in "am"]
    assert sum(gone) == pytest.approx(sum(expected), rel=0.15)
    assert sum(gone[-8:]) == pytest.approx(sum(expected[-8:]), rel=0.35)
    assert sum(gone[4:12]) < sum(gone[-8:]) / 2
