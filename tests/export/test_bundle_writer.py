"""Exporting: fixed sizes, refusals, and that a failure leaves the old bundle as it was."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ermu import Segmenter, export_bundle
from ermu.errors import BackendError, BundleError, ErmuError
from ermu.export.origins import checkpoint_file
from ermu.export.origins.origin import ExportOptions
from ermu.runtime.bundle.bundle import Bundle


def test_manifest_tells_where_it_comes_from(tiny_bundle, tiny_checkpoint):
    manifest = Bundle.load(tiny_bundle).manifest
    assert manifest.network.name == "tiny"
    assert manifest.memory.capacity == 4 and manifest.memory.gap == 2
    assert {"torch", "onnx", "ermu", "python"} <= set(manifest.provenance.tools)
    assert all(0 <= graph.max_difference < 1e-3 for graph in manifest.graphs.values())
    stored = torch.load(tiny_checkpoint, weights_only=True)["state_dict"]["mem_pos_emb"]
    assert np.allclose(Bundle.load(tiny_bundle).temporal_rows(), stored.numpy())


def test_the_relevances_weight_alone_is_anothers(tmp_path, tiny_bundle, tiny_checkpoint):
    published = Bundle.load(tiny_bundle).manifest
    options = ExportOptions(capacity=4, gap=2, relevance_weight=0.02)
    source = checkpoint_file.CheckpointFile().read(tiny_checkpoint, options)
    manifest = source.manifest(tmp_path, dict(published.graphs), published.weights[0])
    assert published.score.relevance_weight == 4.0
    assert manifest.score == published.score.model_copy(update={"relevance_weight": 0.02})
    assert manifest.memory == published.memory


@pytest.mark.long
def test_byte_images_change_encode_alone(tmp_path, tiny_bundle, tiny_checkpoint):
    export_bundle(tiny_checkpoint, tmp_path / "b", capacity=4, gap=2, image_dtype="uint8")
    floats, as_bytes = Bundle.load(tiny_bundle), Bundle.load(tmp_path / "b")
    assert as_bytes.manifest.input.dtype == as_bytes.manifest.graphs["encode"].inputs[0].dtype == "uint8"
    assert floats.manifest.input.dtype == floats.manifest.graphs["encode"].inputs[0].dtype == "float32"
    before, after = as_bytes.manifest.graphs, floats.manifest.graphs
    assert {name for name in before if before[name].inputs != after[name].inputs} == {"encode"}
    assert all(before[name].outputs == after[name].outputs for name in before)
    frames = np.random.default_rng(3).integers(0, 256, (3, 97, 129, 3), dtype=np.uint8)
    label = np.kron([[0, 1], [2, 0]], np.ones((49, 65), int))[:97, :129].astype(np.uint8)
    segmenters = [Segmenter(found) for found in (floats, as_bytes)]
    for segmenter in segmenters:  # frames of the network's own size are not resized, so nothing is rounded
        segmenter.start(frames[0], label)
        for frame in frames[1:]:
            segmenter.step(frame)
    assert np.allclose(*[segmenter.logits() for segmenter in segmenters], atol=1e-4)


def test_existing_bundle_is_not_overwritten(tmp_path, tiny_checkpoint):
    out = tmp_path / "b"
    out.mkdir()
    (out / "manifest.json").write_text("{}")
    with pytest.raises(BundleError, match="exists already"):
        export_bundle(tiny_checkpoint, out)
    assert (out / "manifest.json").read_text() == "{}"


def test_a_strangers_folder_is_never_replaced(tmp_path, tiny_checkpoint):
    out = tmp_path / "photos"
    out.mkdir()
    (out / "holiday.jpg").write_bytes(b"x")
    with pytest.raises(BundleError, match="not a bundle and not empty"):
        export_bundle(tiny_checkpoint, out, overwrite=True)


def test_a_failing_export_leaves_the_old_bundle_and_no_litter(tmp_path, tiny_checkpoint, monkeypatch):
    out = tmp_path / "b"
    out.mkdir()
    (out / "manifest.json").write_text("old")
    monkeypatch.setattr(checkpoint_file, "build_graphs", lambda *a: _with_a_wrong_graph(*a))
    with pytest.raises(BackendError, match="differs from torch"):
        export_bundle(tiny_checkpoint, out, overwrite=True)
    assert [p.name for p in tmp_path.iterdir()] == ["b"]
    assert (out / "manifest.json").read_text() == "old"


class _Unstable(torch.nn.Module):
    """Gives another answer when traced than when run, like a badly exported operator."""

    def forward(self, z, f4, f8, f16):
        shift = 1.0 if torch.compiler.is_compiling() else 0.0
        return f4[:, :11] + shift


def _with_a_wrong_graph(network, image_dtype):
    from dataclasses import replace

    from ermu.export.graphs import build_graphs

    decode = next(g for g in build_graphs(network, image_dtype) if g.name == "decode")
    return [replace(decode, module=_Unstable())]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"size": (64, 96)}, "16k \\+ 1"),
        ({"opset": 17}, "18 to 21"),
        ({"image_dtype": "int8"}, "float32 or uint8"),
        ({"network": "r50"}, "r50_aotl"),
        ({"relevance_weight": -0.1}, "0 or more"),
        ({"relevance_weight": float("nan")}, "0 or more"),
    ],
)
def test_arguments_out_of_range(tmp_path, tiny_checkpoint, arguments, message):
    with pytest.raises(ErmuError, match=message):
        export_bundle(tiny_checkpoint, tmp_path / "b", **arguments)
    assert not (tmp_path / "b").exists()
