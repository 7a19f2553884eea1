"""Reading checkpoints: what is accepted, what is refused, and in which words."""

from __future__ import annotations

import json
import logging
import pickle
import shlex
import struct
import subprocess
import sys

import numpy as np
import pytest
import torch

from ermu.errors import CheckpointError, DependencyError
from ermu.export.checkpoint import load_checkpoint
from ermu.export.network.network import SegmentationNetwork
from ermu.export.network.recognition import build_network, ignored_keys
from ermu.export.network.spec import network_spec
from tests.support.golden_data import GOLDEN
from tests.support.golden_data import NETWORKS as GOLDEN_NETWORKS

TRUNCATED = r"(?s)is no checkpoint that torch can read: .*bytes are truncated"
TINY = dict(width=64, heads=2, key_width=64, feedforward=128, decoder_width=64)
SPEC = network_spec("aott", **TINY)


@pytest.fixture(scope="module")
def weights():
    return SegmentationNetwork(network_spec("aott", **TINY)).state_dict()


@pytest.mark.parametrize("name", GOLDEN_NETWORKS)
def test_state_dict_is_the_published_one(name):
    published = json.loads((GOLDEN / f"manifest_{name}.json").read_text())
    with torch.device("meta"):
        ours = SegmentationNetwork(network_spec(name)).state_dict()
    assert {k: list(v.shape) for k, v in ours.items()} == published


WRAPS = [
    lambda w: w,
    lambda w: {"state_dict": w},
    lambda w: {"model": w, "step": 3},
    lambda w: {"model": {"state_dict": w, "epoch": 3}, "optimizer": {"state": {0: {"step": w}}}},
    lambda w: {"model_ema": w, "optimizer": {"state": {}}},
    lambda w: {"n_averaged": torch.tensor(3), **w},
]
PREFIXES = ["", "module.", "_orig_mod.", "module._orig_mod.", "model.", "ema_model.", "ema.module.model."]


@pytest.mark.parametrize(
    ("wrap", "prefix"),
    [*((wrap, "module.") for wrap in WRAPS), *((WRAPS[1], prefix) for prefix in PREFIXES)],
)
def test_layouts(tmp_path, weights, wrap, prefix):
    path = tmp_path / "c.pth"
    torch.save(wrap({prefix + k: v for k, v in weights.items()}), path)
    network = build_network(load_checkpoint(path), network_spec("aott", **TINY))
    assert torch.equal(network.cur_pos_emb, weights["cur_pos_emb"])


def test_a_part_compiled_by_itself(tmp_path, weights):
    path = tmp_path / "c.pth"
    torch.save({k.replace("encoder.", "encoder._orig_mod."): v for k, v in weights.items()}, path)
    build_network(load_checkpoint(path), network_spec("aott", **TINY))


@pytest.mark.parametrize("together", [True, False])
def test_of_several_copies_the_average_is_left_and_named(tmp_path, weights, caplog, together):
    """The command that the log gives writes the other copy to a file of its own, which then loads."""
    path, average = tmp_path / "it's.pth", {k: v + 1 for k, v in weights.items()}
    copies = {"ema": average, "state_dict": weights}
    if together:
        copies = {f"{name}.{k}": v for name, copy in copies.items() for k, v in copy.items()}
    torch.save({**copies, "spec": SPEC.to_dict()}, path)
    with caplog.at_level(logging.WARNING, "ermu.export"):
        taken = load_checkpoint(path)
    assert torch.equal(taken.weights["cur_pos_emb"], weights["cur_pos_emb"])
    assert taken.place == "state_dict" and "another copy under ema" in caplog.messages[0]
    before = path.read_bytes()
    run_printed(caplog.messages[0].partition("To export that: ")[2])
    other = load_checkpoint(tmp_path / "it's-ema.pth")
    assert torch.equal(other.weights["cur_pos_emb"], average["cur_pos_emb"])
    assert other.spec == SPEC and path.read_bytes() == before


def run_printed(command):
    python = f"{shlex.quote(sys.executable)} -c"
    subprocess.run(command.replace("python -c", python, 1), shell=True, check=True, timeout=120)


@pytest.mark.parametrize(
    "key",
    [
        "encoder.features.0.1.num_batches_tracked",
        "encoder.layers.0.blocks.1.attn.relative_position_index",
        "LSTT.mask_token",
        "n_averaged",
    ],
)
def test_what_published_files_carry_beside_weights_is_left_out(tmp_path, weights, key):
    path = tmp_path / "c.pth"
    torch.save({**weights, key: torch.zeros(3)}, path)
    loaded = load_checkpoint(path)
    build_network(loaded, SPEC)
    assert ignored_keys(loaded.weights, SPEC) == (key,)


@pytest.mark.parametrize(
    "key", ["head.weight", "LSTT.layers.1.norm1.weight", "encoder.layer4.0.conv1.weight"]
)
def test_weights_that_the_network_does_not_take_are_refused(tmp_path, weights, key):
    path = tmp_path / "c.pth"
    torch.save({**weights, key: torch.zeros(3)}, path)
    with pytest.raises(CheckpointError, match=f"not the network's: {key}"):
        build_network(load_checkpoint(path), SPEC)


def test_half_precision_weights_become_float32(tmp_path, weights):
    path = tmp_path / "c.pth"
    torch.save({k: v.half() for k, v in weights.items()}, path)
    network = build_network(load_checkpoint(path), network_spec("aott", **TINY))
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
    assert error.value.problem.partition(" is ")[2].startswith(
        "deaott: it does not fit the network r50_aotl, "
    )
    assert error.value.fix.startswith("--network deaott, or none")


def test_missing_file(tmp_path):
    with pytest.raises(CheckpointError, match="no checkpoint at"):
        load_checkpoint(tmp_path / "none.pth")


@pytest.mark.parametrize("keep", [0, 10, 1000, -30])
def test_truncated_file(tmp_path, weights, keep):
    path = tmp_path / "c.pth"
    torch.save(weights, path)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(CheckpointError, match=TRUNCATED):
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


def test_the_fix_for_numpy_numbers_writes_another_file_that_keeps_the_description(tmp_path, weights):
    path = tmp_path / "best.pth"
    content = {"state_dict": weights, "spec": SPEC.to_dict(), "best": np.float64(0.5), "log": [np.float32(1)]}
    torch.save(content, path)
    (tmp_path / "best-plain.pth").write_text("mine")
    before = path.read_bytes()
    with pytest.raises(CheckpointError, match="needs arbitrary code to load") as error:
        load_checkpoint(path)
    run_printed(error.value.fix.partition(": ")[2])
    plain = load_checkpoint(tmp_path / "best-plain-2.pth")
    assert plain.spec == SPEC and plain.weights.keys() == weights.keys()
    assert path.read_bytes() == before and (tmp_path / "best-plain.pth").read_text() == "mine"


def test_the_fix_for_a_pickled_network_takes_its_weights(tmp_path):
    path = tmp_path / "whole.pth"
    torch.save(torch.nn.Linear(2, 3), path)
    with pytest.raises(CheckpointError, match="needs arbitrary code to load") as error:
        load_checkpoint(path)
    run_printed(error.value.fix.partition(": ")[2])
    assert set(torch.load(tmp_path / "whole-plain.pth", weights_only=True)) == {"weight", "bias"}


def test_weights_that_are_no_numbers_are_named(tmp_path, weights):
    path, broken = tmp_path / "c.pth", {k: v.clone() for k, v in weights.items()}
    broken["decoder.conv_out.bias"][:3] = float("nan")
    broken["cur_pos_emb"].view(-1)[0] = float("inf")
    torch.save(broken, path)
    with pytest.raises(CheckpointError, match="NaN or infinite") as error:
        build_network(load_checkpoint(path), SPEC)
    assert f"decoder.conv_out.bias (3 of {len(broken['decoder.conv_out.bias'])} values)" in str(error.value)
    assert "cur_pos_emb (1 of 64 values)" in error.value.problem


def test_something_else_entirely_is_said_to_be_that(tmp_path, weights):
    path = tmp_path / "c.pth"
    torch.save({"conv1.weight": torch.zeros(3), "fc.bias": torch.zeros(2)}, path)
    with pytest.raises(CheckpointError) as error:
        build_network(load_checkpoint(path), SPEC)
    assert "none of its keys, but 2 others: conv1.weight, fc.bias" in error.value.problem
    torch.save({"state_dict": {k: v for k, v in weights.items() if "LSTT" not in k}}, path)
    with pytest.raises(CheckpointError) as error:
        build_network(load_checkpoint(path), SPEC)
    assert "(weights under state_dict)" in error.value.problem


def write_safetensors(path, weights):
    """By the format's own description: the header's length, a JSON header, and the bytes."""
    header, data = {}, b""
    for key, value in weights.items():
        raw = value.to(torch.float32).contiguous().numpy().tobytes()
        where = [len(data), len(data) + len(raw)]
        header[key] = {"dtype": "F32", "shape": list(value.shape), "data_offsets": where}
        data += raw
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


@pytest.mark.parametrize("name", ["c.safetensors", "c.pth"])
def test_safetensors(tmp_path, weights, name, monkeypatch):
    path = tmp_path / name
    write_safetensors(
        path, {f"module.{k}": v for k, v in weights.items() if not k.endswith("num_batches_tracked")}
    )
    with monkeypatch.context() as absent:
        absent.setitem(sys.modules, "safetensors", None)
        with pytest.raises(DependencyError, match="needs the package 'safetensors'") as error:
            load_checkpoint(path)
        assert error.value.fix == "pip install 'ermu[export]'"
    pytest.importorskip("safetensors")
    network = build_network(load_checkpoint(path), SPEC)
    assert torch.equal(network.cur_pos_emb, weights["cur_pos_emb"])
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(CheckpointError, match=TRUNCATED):
        load_checkpoint(path)
