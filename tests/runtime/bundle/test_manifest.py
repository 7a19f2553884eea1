"""A manifest says of every tensor what its role calls for, or is refused with the tensor's name."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

from ermu.errors import BundleError
from ermu.runtime.bundle.bundle import Bundle
from ermu.runtime.bundle.parts import MemoryInfo
from ermu.runtime.segmenter import Segmenter
from tests.runtime.conftest import boxes


@pytest.fixture
def folder(tiny_bundle, tmp_path):
    return shutil.copytree(tiny_bundle, tmp_path / "bundle")


def _edited(folder, change):
    """The bundle with its manifest changed; `change` gets it with every tensor by graph and name."""
    file = folder / "manifest.json"
    manifest = json.loads(file.read_text())
    tensors = {
        (graph, tensor["name"]): tensor
        for graph, info in manifest["graphs"].items()
        for tensor in (*info["inputs"], *info["outputs"])
    }
    change(manifest, tensors)
    file.write_text(json.dumps(manifest))
    return folder


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda m, t: t["propagate", "key0"].update(block=None), "key0 has the role memory and no block"),
        (lambda m, t: t["propagate", "key0"].update(source=None), "key0 has the role memory and no source"),
        (lambda m, t: t["propagate", "key0"].update(source="z"), "key0 comes from z, which no graph makes"),
        (lambda m, t: t["propagate", "query0"].update(block=None), "query0 has the role query and no block"),
        (lambda m, t: t["decode", "z"].update(role="state"), "z is .* in one graph, .* in another"),
        (lambda m, t: t["decode", "z"].update(role="magic"), "magic"),
        (lambda m, t: t["encode", "image"].update(dtype="float33"), "unknown dtype"),
        (lambda m, t: m["graphs"]["encode"].update(file="../encode.onnx"), "leaves the bundle"),
        (lambda m, t: m["plans"]["whole"].update(decode="paint"), "whole lists graphs .*: paint"),
        (lambda m, t: m["plans"]["whole"].update(propagation=[]), "propagation"),
    ],
)
def test_what_a_manifest_must_say(folder, change, said):
    with pytest.raises(BundleError, match=said):
        Bundle.load(_edited(folder, change))


@pytest.mark.parametrize("plan", ["whole", "external_attention"])
def test_names_of_graphs_mean_nothing(folder, plan):
    """Renamed in the manifest alone, a graph does what its plan says."""

    def rename(manifest, tensors):
        for name in ("encode", "decode", "memorize", "reference"):
            manifest["graphs"][f"my {name}"] = manifest["graphs"].pop(name)
            for described in manifest["plans"].values():
                described[name] = f"my {name}"

    label = boxes(64, 80, id1=(10, 10, 40, 40))
    frames = [np.full((64, 80, 3), value, np.uint8) for value in (10, 60, 110)]
    results = []
    for bundle in (folder, _edited(shutil.copytree(folder, folder.parent / "renamed"), rename)):
        with Segmenter(bundle, plan=plan, threads=1) as segmenter:
            segmenter.start(frames[0], label)
            results.append([segmenter.step(frame).label for frame in frames[1:]])
    np.testing.assert_array_equal(*results)


@pytest.mark.parametrize(("frames", "gap"), [(60, 5), (149, 5), (165, 6), (300, 10), (None, 5)])
def test_the_gap_follows_the_length(frames, gap):
    """max(5, round(frames / 30)): 149 / 30 = 4.97, 165 / 30 = 5.5 rounds to the even 6."""
    bank = {"policy": "ermu", "capacity": 9, "gap": 5}
    assert MemoryInfo(**bank, gap_rule="length").gap_for(frames) == gap
    assert MemoryInfo(**bank, gap_rule="constant").gap_for(frames) == 5


def test_a_policy_plugged_into_a_first_frame_alone_gets_frames_to_choose_from() -> None:
    zoo = MemoryInfo(policy="none", capacity=9, gap=9999, gap_rule="constant")
    assert (zoo.gap_for(None), zoo.gap_for(3000, "none"), zoo.gap_for(3000, "ermu")) == (9999, 9999, 5)
    asked_for = MemoryInfo(policy="none", capacity=9, gap=20, gap_rule="constant")
    assert asked_for.gap_for(None, "ermu") == 20
