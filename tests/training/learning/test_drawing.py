"""The published draw: distributions checked by their moments and bounds."""

from __future__ import annotations

import pytest
import torch

from ermu.export.network.network import SegmentationNetwork
from ermu.export.network.spec import network_spec
from ermu.training.learning.drawing import draw_published_weights, draw_weights


def _drawn(family: str, seed: int = 0) -> tuple[SegmentationNetwork, SegmentationNetwork]:
    """A network as torch makes it, and the same drawn anew."""
    base, width = {"aot": ("aott", 64), "deaot": ("deaott", 64)}[family]
    heads, key = (8, 64) if family == "aot" else (1, 32)
    spec = network_spec(base, width=width, heads=heads, key_width=key, feedforward=64, decoder_width=32)
    torch.manual_seed(0)
    made, drawn = SegmentationNetwork(spec), SegmentationNetwork(spec)
    drawn.load_state_dict(made.state_dict())
    draw_published_weights(drawn, seed)
    return made, drawn


@pytest.mark.parametrize("family", ["aot", "deaot"])
def test_weights_have_the_published_distributions(family: str) -> None:
    made, drawn = _drawn(family)
    before = made.state_dict()
    for key, value in drawn.named_parameters():
        outside = key.startswith(("encoder.", "id_norm.")) or value.ndim == 1
        assert torch.equal(value, before[key]) is outside, key
        if outside or key in ("cur_pos_emb", "mem_pos_emb", "patch_wise_id_bank.weight"):
            continue
        fan_in, fan_out = value[0].numel(), value.shape[0] * value[0, 0].numel()
        bound = (6 / (fan_in + fan_out)) ** 0.5  # Glorot and Bengio 2010
        assert value.abs().max() <= bound, key
        if value.numel() > 1000:
            assert value.std().item() == pytest.approx(bound / 3**0.5, rel=0.1), key


def test_the_identity_bank_is_orthogonal_with_the_gain_of_a_pixel() -> None:
    bank = _drawn("aot")[1].patch_wise_id_bank.weight.double().flatten(1)
    assert torch.allclose(bank @ bank.T, torch.eye(64).double() / 289**2, atol=1e-10)


def test_temporal_rows_are_normal_with_a_twentieth() -> None:
    rows = torch.cat([_drawn("aot", seed)[1].mem_pos_emb.flatten() for seed in range(8)])
    assert rows.std().item() == pytest.approx(0.05, rel=0.06)
    assert abs(rows.mean().item()) < 0.005 and rows.abs().max() < 0.3


def test_a_seed_draws_the_same() -> None:
    first, again, other = (_drawn("deaot", seed)[1].state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(value, again[key]) for key, value in first.items())
    assert not torch.equal(first["patch_wise_id_bank.weight"], other["patch_wise_id_bank.weight"])


def test_identities_are_strong_in_our_own_draw() -> None:
    """An identity that fills a patch moves a token by about three in every channel, not by a hundredth."""
    network = _drawn("aot")[1]
    draw_weights(network, 0)
    token = network.patch_wise_id_bank.weight.sum((2, 3))
    assert token.std().item() == pytest.approx(3, rel=0.2)
