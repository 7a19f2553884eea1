"""Bundles of networks that follow every object by itself: what they must say, and who does not serve them."""

from __future__ import annotations

import json

import pytest

from ermu.errors import BundleError
from ermu.runtime.bundle.bundle import Bundle
from tests.cli.commands.test_run import ermu
from tests.support.toy.bundle import write_toy


@pytest.fixture
def toy(tmp_path):
    return write_toy(tmp_path / "bundle")


def _edited(toy, change):
    file = toy.path / "manifest.json"
    manifest = json.loads(file.read_text())
    change(manifest)
    file.write_text(json.dumps(manifest))
    return toy.path


def _role(manifest, graph, way, name, role):
    for tensor in manifest["graphs"][graph][way]:
        if tensor["name"] == name:
            tensor["role"] = role


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda m: m["input"].update(size=None), "input.size is missing"),
        (lambda m: m["memory"].update(capacity=5), "capacity is 5, with 4 memory_rows"),
        (lambda m: m["memory_rows"][1].append(0.0), "different widths"),
        (lambda m: m["plans"].update(external_attention=m["plans"]["whole"]), "expected whole alone"),
        (lambda m: m["plans"]["whole"].update(point="paint"), "not there: paint"),
        (lambda m: m["plans"]["whole"].update(point="segment"), "point reads conditioned, expected"),
        (
            lambda m: _role(m, "encode", "outputs", "blank", "features"),
            "encode makes nothing, expected unconditioned",
        ),
        (lambda m: m.pop("most_pointers"), "most_pointers: Field required"),
        (lambda m: m.pop("kind"), "network.blocks: Field required"),
    ],
)
def test_what_such_a_manifest_must_say(toy, change, said):
    with pytest.raises(BundleError, match=said):
        Bundle.load(_edited(toy, change))


def test_memories_depend_on_the_rows(toy):
    before = Bundle.load(toy.path).fingerprint
    changed = _edited(toy, lambda m: m["memory_rows"][0].reverse())
    assert Bundle.load(changed).fingerprint != before


def test_who_does_not_serve_it_says_so(toy, tiny_bundle):
    said = r"of the network toy \(toys\), which this does not serve"
    with pytest.raises(BundleError, match=said):
        _ = toy.group_manifest
    with pytest.raises(BundleError, match="of the network tiny"):
        _ = Bundle.load(tiny_bundle).object_manifest


def test_what_was_not_built_names_the_command(toy):
    assert toy.at_precision("bf16").manifest.precision == "bf16"
    for precision in ("fp16", "int8"):
        with pytest.raises(BundleError, match=f"has no {precision} graphs") as caught:
            toy.at_precision(precision)
        assert caught.value.fix == f"ermu build --bundle {toy.path} --precision {precision}"


def test_inspect(toy):
    done = ermu("inspect", toy.path)
    assert done.returncode == 0, done.stderr
    assert "toy (toys, pools)" in done.stdout and "a memory an object; up to 6 pointers" in done.stdout
    assert "memory_rows" in done.stdout and "64x64" in done.stdout
