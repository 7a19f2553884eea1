"""A zoo-style checkpoint gives what it has, by key and shape, and everything else is reported."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from ermu.errors import CheckpointError
from ermu.export.encoders.efficientnet_lite0 import PUBLISHED_EPS, EfficientNetLite0, fold_imagenet_weights
from ermu.export.network.network import SegmentationNetwork
from ermu.export.network.spec import network_spec
from ermu.training.learning.starting_weights import start_encoder_from_file, start_from_checkpoint


def _network() -> SegmentationNetwork:
    torch.manual_seed(0)
    return SegmentationNetwork(
        network_spec("aott", width=32, heads=1, key_width=32, feedforward=32, decoder_width=16)
    )


def test_zoo_checkpoint_initialises_what_it_shares(tmp_path: Path) -> None:
    """The zoo has no temporal rows, may prefix keys, lacks an identity channel, has local weights."""
    network = _network()
    before = {key: value.clone() for key, value in network.state_dict().items()}
    zoo = {f"module.{key}": torch.full_like(value, 0.5) for key, value in before.items()}
    del zoo["module.cur_pos_emb"], zoo["module.mem_pos_emb"]
    bank = torch.randn(32, 11, 17, 17)
    zoo["module.patch_wise_id_bank.weight"] = bank
    zoo["module.LSTT.layers.0.short_term_attn.relative_emb_k.weight"] = torch.zeros(225, 32, 1, 1)
    zoo["module.decoder.conv_out.weight"] = torch.zeros(11, 7, 1, 1)  # one channel less too, of what has 8
    zoo["module.decoder.adapter_4x.weight"] = torch.zeros(7, 24, 1, 1)
    zoo["module.LSTT.layers.0.linear_Q.weight"] = torch.zeros(32, 31)  # has but two dimensions
    torch.save({"state_dict": zoo}, tmp_path / "zoo.pth")

    report = start_from_checkpoint(network, tmp_path / "zoo.pth")

    assert report.missing == ("cur_pos_emb", "mem_pos_emb")
    assert set(report.extended) == {"patch_wise_id_bank.weight", "decoder.conv_out.weight"}
    assert set(report.reshaped) == {"decoder.adapter_4x.weight", "LSTT.layers.0.linear_Q.weight"}
    assert report.unknown == ("LSTT.layers.0.short_term_attn.relative_emb_k.weight",)
    assert len(report.loaded) == len(before) - 6
    kept = {*report.missing, *report.reshaped}
    for key, value in network.state_dict().items():
        expected = before[key] if key in kept else torch.full_like(value, 0.5)
        assert key in report.extended or torch.equal(value, expected), key
    loaded = network.patch_wise_id_bank.weight
    assert torch.equal(loaded[:, :11], bank)
    assert torch.equal(loaded[:, 11:], before["patch_wise_id_bank.weight"][:, 11:])
    assert "2 missing: cur_pos_emb, mem_pos_emb" in report.summary()
    assert "without the last channel: decoder.conv_out.weight" in report.summary()


def test_another_networks_checkpoint_is_refused(tmp_path: Path) -> None:
    """Of another encoder and family: what fits would be a few norms, and training would begin from noise."""
    other = SegmentationNetwork(
        network_spec("r50_deaotl", width=32, key_width=32, feedforward=32, decoder_width=16)
    )
    torch.save(other.state_dict(), tmp_path / "other.pth")
    network = _network()
    before = {key: value.clone() for key, value in network.state_dict().items()}
    with pytest.raises(CheckpointError, match="and none of its encoder's: it is of another network") as error:
        start_from_checkpoint(network, tmp_path / "other.pth")
    assert "the encoder mobilenetv2" in str(error.value.expected)
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())


def test_a_bank_of_more_than_one_channel_less_is_left(tmp_path: Path) -> None:
    network = _network()
    before = network.patch_wise_id_bank.weight.detach().clone()
    weights = {**network.state_dict(), "patch_wise_id_bank.weight": torch.zeros(32, 10, 17, 17)}
    torch.save(weights, tmp_path / "ten.pth")
    report = start_from_checkpoint(network, tmp_path / "ten.pth")
    assert report.reshaped == ("patch_wise_id_bank.weight",) and not report.extended
    assert torch.equal(network.patch_wise_id_bank.weight, before)


def test_an_encoder_starts_from_its_own_file(tmp_path: Path) -> None:
    """torchvision's MobileNetV2 has the same keys, more of them, and a counter in every norm."""
    network = _network()
    before = {key: value.clone() for key, value in network.state_dict().items()}
    torchvision = {key: torch.full_like(value, 0.25) for key, value in network.encoder.state_dict().items()}
    torchvision["features.0.1.num_batches_tracked"] = torch.tensor(3)
    torchvision["classifier.1.weight"] = torch.zeros(1000, 1280)
    torch.save(torchvision, tmp_path / "mobilenet_v2.pth")
    report = start_encoder_from_file(network, tmp_path / "mobilenet_v2.pth")
    assert not report.missing and not report.reshaped
    assert set(report.unknown) == {"features.0.1.num_batches_tracked", "classifier.1.weight"}
    for key, value in network.state_dict().items():
        expected = torch.full_like(value, 0.25) if key.startswith("encoder.") else before[key]
        assert torch.equal(value, expected), key
    torch.save({"fc.weight": torch.zeros(2)}, tmp_path / "foreign.pth")
    with pytest.raises(CheckpointError, match="the encoder mobilenetv2 could use"):
        start_encoder_from_file(network, tmp_path / "foreign.pth")


@pytest.mark.parametrize("wrap", [lambda w: w, lambda w: {"model": w}, lambda w: {"state_dict": w}])
def test_weights_are_found_wherever_they_lie(tmp_path: Path, wrap: object) -> None:
    network = _network()
    torch.save(wrap(network.state_dict()), tmp_path / "all.pth")  # type: ignore[operator]
    report = start_from_checkpoint(network, tmp_path / "all.pth")
    assert len(report.loaded) == len(network.state_dict()) and not report.missing


def test_foreign_and_broken_files_are_refused(tmp_path: Path) -> None:
    torch.save({"fc.weight": torch.zeros(2)}, tmp_path / "foreign.pth")
    with pytest.raises(CheckpointError, match="has 0 of the network"):
        start_from_checkpoint(_network(), tmp_path / "foreign.pth")
    (tmp_path / "broken.pth").write_bytes(b"not a checkpoint")
    with pytest.raises(CheckpointError, match="is no checkpoint that torch can read"):
        start_from_checkpoint(_network(), tmp_path / "broken.pth")


def test_folding_batch_norm_keeps_the_stem() -> None:
    """The folded stem against convolution and batch norm in float64, with weights in the package's layout."""
    generator = torch.Generator().manual_seed(1)
    published: dict[str, torch.Tensor] = {}
    for key, value in EfficientNetLite0().state_dict().items():
        if not key.endswith("weight"):
            continue
        name = key.removesuffix(".weight")
        conv = (
            "_conv_stem" if name == "stem.0" else f"_{name.rsplit('.', 1)[0]}._{name.rsplit('.', 1)[1]}_conv"
        )
        step = {"expand": 0, "depthwise": 1, "project": 2}.get(name.rsplit(".", 1)[1], 0)
        norm = "_bn0" if name == "stem.0" else f"_{name.rsplit('.', 1)[0]}._bn{step}"
        published[f"{conv}.weight"] = torch.randn(value.shape, generator=generator)
        for part in ("weight", "bias", "running_mean", "running_var"):
            published[f"{norm}.{part}"] = torch.rand(len(value), generator=generator) + 0.5
    encoder = EfficientNetLite0()
    encoder.load_state_dict(fold_imagenet_weights(published))

    image = torch.randn(1, 3, 33, 33, generator=generator, dtype=torch.float64)
    convolved = torch.nn.functional.conv2d(
        image, published["_conv_stem.weight"].double(), stride=2, padding=1
    )
    mean, var, weight, bias = (
        published[f"_bn0.{part}"].double()[:, None, None]
        for part in ("running_mean", "running_var", "weight", "bias")
    )
    expected = ((convolved - mean) / (var + PUBLISHED_EPS).sqrt() * weight + bias).clamp(0, 6)
    assert torch.allclose(encoder.stem(image.float()).double(), expected, atol=1e-4)


def test_encoder_map_sizes() -> None:
    maps = EfficientNetLite0()(torch.zeros(2, 3, 65, 49))
    assert [tuple(m.shape) for m in maps] == [(2, 24, 17, 13), (2, 40, 9, 7), (2, 112, 5, 4), (2, 112, 5, 4)]
