"""Reading checkpoints: what is accepted, what is refused, and in which words."""

from __future__ import annotations

import pickle

import pytest
import torch

from ermu.errors import CheckpointError
from ermu.export.checkpoint import build_network, load_checkpoint
from ermu.export.network.network import SegmentationNetwork
from ermu.export.network.spec import network_spec
from tests.golden_data import GOLDEN
from tests.golden_data import NETWORKS as GOLDEN_NETWORKS

TINY = dict(width=64, heads=2, key_width=64, feedforward=128, decoder_width=64)


@pytest.fixture(scope="module")
def weights():
    return SegmentationNetwork(network_spec("aott", **TINY)).state_dict()


@pytest.mark.parametrize("name", GOLDEN_NETWORKS)
def test_state_dict_is_the_published_one(name):
    import json

    published = json.loads((GOLDEN / f"manifest_{name}.json").read_text())
    with torch.device("meta"):
        ours = SegmentationNetwork(network_spec(name)).state_dict()
    assert {k: list(v.shape) for k, v in ours.items()} == published


@pytest.mark.parametrize(
    "wrap", [lambda w: w, lambda w: {"state_dict": w}, lambda w: {"model": w, "step": 3}]
)
@pytest.mark.parametrize("prefix", ["", "module."])
def test_layouts(tmp_path, weights, wrap, prefix):
    path = tmp_path / "c.pth"
    torch.save(wrap({prefix + k: v for k, v in weights.items()}), path)
    network, unknown = build_network(load_checkpoint(path), network_spec("aott", **TINY))
    assert unknown == []
    assert torch.equal(network.cur_pos_emb, weights["cur_pos_emb"])


def test_unknown_keys_are_reported_and_counters_are_not(tmp_path, weights):
    path = tmp_path / "c.pth"
    extra = {"head.weight": torch.zeros(1), "encoder.bn1.num_batches_tracked": torch.zeros(())}
    torch.save({**weights, **extra}, path)
    _, unknown = build_network(load_checkpoint(path), network_spec("aott", **TINY))
    assert unknown == ["head.weight"]


def test_half_precision_weights_become_float32(tmp_path, weights):
    path = tmp_path / "c.pth"
    torch.save({k: v.half() for k, v in weights.items()}, path)
    network, _ = build_network(load_checkpoint(path), network_spec("aott", **TINY))
    assert network.cur_pos_emb.dtype == torch.float32


def test_missing_and_misshapen_keys_are_named(tmp_path, weights):
    path = tmp_path / "c.pth"
    broken = {**weights, "cur_pos_emb": torch.zeros(1, 7)}
    del broken["decoder.conv_out.bias"]
    torch.save(broken, path)
    with pytest.raises(CheckpointError) as error:
        build_network(load_checkpoint(path), network_spec("aott", **TINY))
    assert "missing: decoder.conv_out.bias" in error.value.problem
    assert "cur_pos_emb is (1, 7), not (1, 64)" in error.value.problem


def test_another_network_is_suggested(synthetic_checkpoint):
    with pytest.raises(CheckpointError) as error:
        build_network(load_checkpoint(synthetic_checkpoint("deaott")), network_spec("r50_aotl"))
    assert error.value.fix == "--network deaott fits this checkpoint"


def test_missing_file(tmp_path):
    with pytest.raises(CheckpointError, match="no checkpoint at"):
        load_checkpoint(tmp_path / "none.pth")


@pytest.mark.parametrize("keep", [0, 10, 1000, -30])
def test_truncated_file(tmp_path, weights, keep):
    path = tmp_path / "c.pth"
    torch.save(weights, path)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(CheckpointError, match="truncated or not a checkpoint"):
        load_checkpoint(path)


class Stranger:
    """Not something that weights_only accepts."""


def test_code_is_not_run(tmp_path, weights):
    path = tmp_path / "c.pth"
    torch.save({"state_dict": weights, "config": Stranger()}, path)
    with pytest.raises(CheckpointError, match="needs arbitrary code to load") as error:
        load_checkpoint(path)
    assert "Stranger" in error.value.problem


def test_plain_pickle_and_other_content(tmp_path):
    path = tmp_path / "c.pth"
    path.write_bytes(pickle.dumps(Stranger()))
    with pytest.raises(CheckpointError):
        load_checkpoint(path)
    torch.save([torch.zeros(1)], path)
    with pytest.raises(CheckpointError, match="holds a list"):
        load_checkpoint(path)
    torch.save({"epoch": 3}, path)
    with pytest.raises(CheckpointError, match="holds no tensors"):
        load_checkpoint(path)
