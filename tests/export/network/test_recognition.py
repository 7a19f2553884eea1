"""Recognising checkpoints: every published state dict, by its keys and shapes, against every name."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest
import torch

from ermu.errors import CheckpointError, OptionError
from ermu.export.checkpoint import Checkpoint
from ermu.export.network.recognition import check_weights, differences, fitting_networks, recognise
from ermu.export.network.spec import network_spec, networks
from tests.support.golden_data import GOLDEN
from tests.support.golden_data import NETWORKS as PUBLISHED
from tests.support.zoo.data import manifests

SHAPES = {
    **{name: json.loads((GOLDEN / f"manifest_{name}.json").read_text()) for name in PUBLISHED},
    **{f"zoo_{name}": shapes for name, shapes in manifests().items() if f"zoo_{name}" in networks()},
}
TWINS = {"zoo_aotb": "zoo_aotl", "zoo_deaotb": "zoo_deaotl"}  # B has L's weights and never appends


def checkpoint(name, **changed):
    """A checkpoint of a network, as its manifest says; tensors without storage."""
    weights = {key: torch.empty(shape, device="meta") for key, shape in SHAPES[name].items()}
    return Checkpoint(Path(f"{name}.pth"), "", {**weights, **changed})


def family(name):
    """The networks that share a network's weights."""
    return {other for other in SHAPES if TWINS.get(other, other) == TWINS.get(name, name)}


def test_every_network_has_a_manifest():
    assert set(SHAPES) == set(networks())


@pytest.mark.parametrize("name", SHAPES)
def test_keys_and_shapes_say_which_it_is(name, caplog):
    with caplog.at_level(logging.WARNING, "ermu.export"):
        found = recognise(checkpoint(name))
    assert found.name == TWINS.get(name, name)
    twins = sorted(family(name) - {found.name})
    assert [message.rpartition(" ")[2] for message in caplog.messages] == twins


@pytest.mark.parametrize("name", SHAPES)
def test_every_wrong_name_is_refused_with_the_right_one(name):
    """All pairs of checkpoint and name, the name being an assertion."""
    given = checkpoint(name)
    for said in SHAPES:
        if said in family(name):
            assert recognise(given, said) == network_spec(said)
            continue
        with pytest.raises(CheckpointError) as error:
            recognise(given, said)
        right = " or ".join(spec.name for spec in fitting_networks(given.weights))
        assert set(right.split(" or ")) == family(name)
        assert error.value.fix == f"--network {right}, or none: the checkpoint says itself what it is"
        assert f"is {right}: it" in error.value.problem
        assert f"does not fit the network {said}" in error.value.problem


def test_a_name_that_no_network_has():
    with pytest.raises(OptionError, match="Unknown network 'aot'"):
        recognise(checkpoint("aott"), "aot")


@pytest.mark.parametrize("blocks", [1, 2])
def test_part_of_a_network_is_not_a_smaller_one(blocks):
    """Three blocks under the name of one: the state dict that used to export as half of itself."""
    given = checkpoint("zoo_deaotl")
    left_over = f"LSTT.layers.{blocks}.norm1.weight"
    assert left_over in differences(given.weights, network_spec(f"zoo_deaot{'ts'[blocks - 1]}")).unknown


def test_a_damaged_checkpoint_is_compared_with_the_closest():
    given = checkpoint("zoo_r50_deaotl", stray=torch.empty(2))
    del given.weights["decoder.conv_out.bias"]
    with pytest.raises(CheckpointError) as error:
        recognise(given)
    assert "zoo_r50_deaotl is the closest" in error.value.problem
    assert "missing: decoder.conv_out.bias" in error.value.problem
    assert "not the network's: stray" in error.value.problem
    with pytest.raises(CheckpointError, match=r"holds|is no network"):
        recognise(Checkpoint(Path("x.pth"), "", {"fc.weight": torch.empty(3)}))


def test_a_description_in_the_file_goes_first_and_is_checked():
    spec = network_spec("aott", name="mine")
    given = checkpoint("aott")
    mine = Checkpoint(given.path, "", given.weights, spec)
    assert recognise(mine) == recognise(mine, "mine") == spec
    assert recognise(mine, "aott") == network_spec("aott")
    with pytest.raises(CheckpointError, match="does not fit the network deaott"):
        recognise(mine, "deaott")
    with pytest.raises(CheckpointError, match="3 of whose keys differ, patch_wise_id_bank"):
        check_weights(checkpoint("zoo_deaott"), network_spec("deaott"))


@pytest.mark.parametrize(
    ("weights", "described", "fix"),
    [
        ({"image_encoder.trunk.pos_embed"}, False, "take transformers' folder, `hf download facebook/sam2.1"),
        ({"vision_encoder.neck.weight"}, True, "give the folder that it lies in"),
        ({"vision_encoder.neck.weight"}, False, "check that it is a whole checkpoint"),
    ],
)
def test_weights_of_other_networks_say_where_those_go(weights, described, fix, tmp_path):
    if described:
        (tmp_path / "config.json").write_text("{}")
    given = Checkpoint(tmp_path / "model.safetensors", "", {key: torch.empty(1) for key in weights})
    with pytest.raises(CheckpointError) as raised:
        recognise(given)
    assert fix in str(raised.value.fix)
