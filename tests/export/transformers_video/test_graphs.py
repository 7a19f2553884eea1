"""The exported graphs through ONNX Runtime against what they were traced from, at any count of things."""

from __future__ import annotations

import numpy as np
import onnxruntime
import pytest
import torch

from ermu.export.transformers_video.graphs import build_object_graphs
from ermu.runtime.bundle.bundle import Bundle
from tests.support.sam2.clip import frames_of, masks_of
from tests.support.sam2.network import SIDE, small_model

pytest.importorskip("transformers")
ROUNDING = 2.0**-7  # between two neighbours of 8 bits


@pytest.fixture(scope="module")
def graphs():
    return {graph.name: graph for graph in build_object_graphs(small_model())}


@pytest.fixture(scope="module")
def sessions(sam2_bundle):
    bundle = Bundle.load(sam2_bundle)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    return {
        name: onnxruntime.InferenceSession(
            str(bundle.graph_path(name)), options, providers=["CPUExecutionProvider"]
        )
        for name in bundle.manifest.graphs
    }


@pytest.fixture(scope="module")
def values(graphs):
    """Tensors as a frame has them, by name: of an image, its features, a mask."""
    with torch.no_grad():
        f4, f8, f16, first = graphs["encode"].module(frames_of(1)[0][None])
        logits, presence, pointer = graphs["segment"].module(first, f4, f8)
    known = dict(f4=f4, f8=f8, f16=f16, conditioned=first, logits=logits, presence=presence, pointer=pointer)
    return {**known, "image": frames_of(1)[0][None], "mask": masks_of()[0]}


def drawn(*shape):
    return torch.from_numpy(np.random.default_rng(5).standard_normal(shape).astype(np.float32))


def compare(graph, session, inputs, *, relative=1e-5):
    with torch.no_grad():
        wanted = graph.module(*inputs)
    wanted = (wanted,) if isinstance(wanted, torch.Tensor) else wanted
    feeds = {t.name: x.numpy() for t, x in zip(graph.inputs, inputs, strict=True)}
    got = session.run([t.name for t in graph.outputs], feeds)
    for ours, theirs in zip(got, wanted, strict=True):
        torch.testing.assert_close(torch.from_numpy(ours), theirs, atol=1e-3, rtol=relative)


@pytest.mark.parametrize("name", ["encode", "segment", "label", "memorize", "memorize_prompt"])
def test_graphs_of_one_size(graphs, sessions, values, name):
    graph = graphs[name]
    inputs = [values[tensor.name] for tensor in graph.inputs]
    compare(graph, sessions[name], inputs, relative=ROUNDING if "memorize" in name else 1e-5)


@pytest.mark.parametrize(("frames", "pointers"), [(1, 1), (1, 16), (7, 1), (14, 22)])
def test_recall_reads_any_number_of_frames_and_pointers(graphs, sessions, values, frames, pointers):
    memory, rows = drawn(frames, 64, 64), drawn(frames, 64)
    ages = torch.arange(1.0, pointers + 1)
    inputs = (values["f16"], memory, rows, drawn(pointers, 128), ages)
    compare(graphs["recall"], sessions["recall"], inputs)


@pytest.mark.parametrize("signs", [[1], [0, 1], [2, 3], [2, 3, 0, -1, 1]])
def test_point_takes_any_number_of_clicks(graphs, sessions, values, signs):
    points = torch.from_numpy(np.random.default_rng(3).uniform(0, SIDE, (len(signs), 2)).astype(np.float32))
    inputs = (values["conditioned"], values["f4"], values["f8"], points, torch.tensor(signs).float())
    compare(graphs["point"], sessions["point"], inputs)


@pytest.mark.parametrize("presence", [-3.0, 3.0])
def test_what_is_hidden_is_remembered_as_such(graphs, sessions, values, presence):
    inputs = (values["f16"], values["logits"], torch.tensor([presence]))
    compare(graphs["memorize"], sessions["memorize"], inputs, relative=ROUNDING)


def test_a_memory_is_rounded_to_eight_bits(sessions, values):
    """As transformers keeps it: the lower half of every number is zero, so that two bytes would hold it."""
    feeds = {name: values[name].numpy() for name in ("f16", "mask", "presence")}
    entry = sessions["memorize_prompt"].run(None, feeds)[0]
    assert not (entry.view(np.uint32) & 0xFFFF).any()
    assert entry.std() > 0.1


def test_the_manifest_says_what_the_config_does(sam2_bundle, sam2_folder):
    manifest = Bundle.load(sam2_bundle).manifest
    assert (manifest.kind, manifest.network.family) == ("object", "sam2")
    assert manifest.network.name == manifest.provenance.checkpoint == sam2_folder.name
    assert (manifest.input.size, manifest.input.resampling) == ((SIDE, SIDE), "antialiased")
    assert (manifest.memory.policy, manifest.memory.capacity, manifest.memory.gap) == ("fifo", 7, 1)
    table = small_model().memory_temporal_positional_encoding[:, 0, 0]
    assert np.array_equal(np.float32(manifest.memory_rows), table.detach().numpy())
    assert manifest.most_pointers == 16
    assert "transformers" in manifest.provenance.tools and "Apache-2.0" in manifest.provenance.licence
    shapes = {t.name: t.shape for graph in manifest.graphs.values() for t in graph.tensors}
    assert shapes["f4"] == (16, "h4", "w4") and shapes["memory"] == ("T", 64, 64)
    assert shapes["pointers"] == ("P", 128) and shapes["points"] == ("K", 2)
