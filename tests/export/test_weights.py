"""Weights of a bundle: each once, outside the graphs, found by whatever opens a graph in its folder."""

from __future__ import annotations

import hashlib
import os
import shutil

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from ermu.export.weights import ALIGNMENT, LEAST_BYTES, Place, WeightsFile, places_of, read_graph
from ermu.runtime.bundle.bundle import Bundle

BUNDLES = ["tiny", "r50_deaotl"]


@pytest.fixture
def loaded(request, bundle, tiny_bundle) -> Bundle:
    return Bundle.load(tiny_bundle if request.param == "tiny" else bundle(request.param))


def _constants(at: Bundle) -> list[tuple[str, np.ndarray]]:
    graphs = {name: onnx.load(at.graph_path(name)).graph for name in at.manifest.graphs}
    return [(name, numpy_helper.to_array(t)) for name, graph in graphs.items() for t in graph.initializer]


def _model(*weights: np.ndarray) -> onnx.ModelProto:
    constants = [numpy_helper.from_array(weight, f"w{i}") for i, weight in enumerate(weights)]
    out = [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)]
    node = helper.make_node("Sum", [t.name for t in constants], ["y"])
    return helper.make_model(
        helper.make_graph([node], "g", [], out, constants), opset_imports=[helper.make_opsetid("", 20)]
    )


@pytest.mark.parametrize("loaded", BUNDLES, indirect=True)
def test_no_weight_lies_on_disk_twice(loaded):
    (weights,) = loaded.manifest.weights
    constants = [x for _, x in _constants(loaded) if x.nbytes > LEAST_BYTES]
    once = {hashlib.sha256(x.tobytes()).digest(): x.nbytes for x in constants}
    aligned = sum(-(-size // ALIGNMENT) * ALIGNMENT for size in once.values())
    assert aligned - ALIGNMENT < (loaded.path / weights.file).stat().st_size <= aligned
    assert sum(x.nbytes for x in constants) > sum(once.values()), "graphs share weights"


@pytest.mark.parametrize("loaded", BUNDLES, indirect=True)
def test_one_layout_of_a_weight_serves_every_graph(loaded):
    """No graph keeps a transposed copy of what another has."""
    layouts: dict[bytes, set[bytes]] = {}
    for _, x in _constants(loaded):
        if x.nbytes > LEAST_BYTES and np.ptp(x):
            content = np.sort(x.ravel()).tobytes()
            layouts.setdefault(content, set()).add(x.tobytes())
    assert all(len(found) == 1 for found in layouts.values())


@pytest.mark.parametrize("loaded", BUNDLES, indirect=True)
def test_a_bundle_is_as_large_as_its_parameters(loaded):
    embedding = sum(x.nbytes for x in loaded.identity_weights())
    weights = sum(x.nbytes for x in {x.tobytes(): x for _, x in _constants(loaded)}.values())
    size = sum(file.stat().st_size for file in loaded.path.iterdir())
    graphs = sum(loaded.graph_path(name).stat().st_size for name in loaded.manifest.graphs)
    manifest = (loaded.path / "manifest.json").stat().st_size
    assert size < 1.3 * (embedding + weights) + manifest
    assert graphs < 60_000 * len(loaded.manifest.graphs), "graphs hold no weights of their own"


@pytest.mark.parametrize("loaded", BUNDLES, indirect=True)
def test_no_graph_holds_the_identity_banks_weights(loaded):
    bank = loaded.identity_weights()[0]
    assert not [name for name, x in _constants(loaded) if x.size == bank.size]
    types = {tensor.dtype for info in loaded.manifest.graphs.values() for tensor in info.tensors}
    labels = [t.name for g in loaded.manifest.graphs.values() for t in g.tensors if t.name == "label"]
    assert types == {"float32"} and not labels


@pytest.mark.parametrize("loaded", BUNDLES, indirect=True)
def test_graphs_open_wherever_their_folder_lies(loaded, tmp_path):
    moved = shutil.copytree(loaded.path, tmp_path / "moved")
    for info in loaded.manifest.graphs.values():
        session = onnxruntime.InferenceSession(str(moved / info.file), providers=["CPUExecutionProvider"])
        assert [t.name for t in session.get_outputs()] == [t.name for t in info.outputs]


@pytest.mark.parametrize("loaded", BUNDLES, indirect=True)
def test_graphs_do_not_tell_where_they_were_made(loaded):
    for info in loaded.manifest.graphs.values():
        content = (loaded.path / info.file).read_bytes()
        assert b"stack_trace" not in content and b"/export/" not in content


def test_equal_contents_share_a_place(tmp_path):
    large, other = np.arange(1000, dtype=np.float32), np.ones(2000, np.float32)
    first, second = _model(large, np.ones(4, np.float32)), _model(other, large.reshape(10, 100))
    file = WeightsFile(tmp_path / "weights.bin")
    for number, model in enumerate((first, second)):
        file.take(model)
        onnx.save_model(model, tmp_path / f"{number}.onnx")
    assert sorted(places_of(tmp_path.glob("*.onnx")).values()) == [
        Place("weights.bin", 0, 4000),
        Place("weights.bin", ALIGNMENT, 8000),
    ]
    assert file.path.stat().st_size == ALIGNMENT + 8000
    reread = onnx.load(tmp_path / "1.onnx").graph.initializer
    np.testing.assert_array_equal(numpy_helper.to_array(reread[0]), other)
    np.testing.assert_array_equal(numpy_helper.to_array(reread[1]), large.reshape(10, 100))


def test_a_graphs_hash_stands_for_its_weights(tmp_path):
    models = [_model(np.full(1000, value, np.float32)) for value in (1, 2, 1)]
    for number, model in enumerate(models):
        WeightsFile(tmp_path / f"{number}.bin").take(model)
        for entry in model.graph.initializer[0].external_data:
            entry.value = entry.value.replace(f"{number}.bin", "weights.bin")
    contents = [model.SerializeToString(deterministic=True) for model in models]
    assert contents[0] == contents[2] != contents[1]


def test_a_second_file_holds_only_what_the_first_lacks(tmp_path):
    large, other = np.arange(1000, dtype=np.float32), np.ones(2000, np.float32)
    model = _model(large)
    WeightsFile(tmp_path / "weights.bin").take(model)
    onnx.save_model(model, tmp_path / "a.onnx")
    more = WeightsFile(tmp_path / "unnamed.bin", places_of([tmp_path / "a.onnx"]))
    changed = _model(large, other)
    more.take(changed)
    more.rename("more.bin", [changed])
    onnx.save_model(changed, tmp_path / "b.onnx")
    assert (tmp_path / "more.bin").stat().st_size == other.nbytes
    assert not (tmp_path / "unnamed.bin").exists()
    reread = onnx.load(tmp_path / "b.onnx").graph.initializer
    for tensor, values in zip(reread, (large, other), strict=True):
        np.testing.assert_array_equal(numpy_helper.to_array(tensor), values)


def test_weights_with_several_links_are_read(tmp_path):
    """As uv installs every file of a package; `onnx.load` takes them for an attack."""
    large, small = np.arange(1000, dtype=np.float32), np.ones(4, np.float32)
    model = _model(large, small)
    WeightsFile(tmp_path / "weights.bin").take(model)
    onnx.save_model(model, tmp_path / "a.onnx")
    os.link(tmp_path / "weights.bin", tmp_path / "again.bin")
    read = read_graph(tmp_path / "a.onnx")
    for tensor, values in zip(read.graph.initializer, (large, small), strict=True):
        np.testing.assert_array_equal(numpy_helper.to_array(tensor), values)
