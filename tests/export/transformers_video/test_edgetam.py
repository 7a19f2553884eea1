"""EdgeTAM, whose perceiver makes a few tokens of a frame: steps, graphs and a bundle against its session."""

from __future__ import annotations

from importlib.util import find_spec

import numpy as np
import pytest
import torch

from ermu import Segmenter
from ermu.errors import DependencyError
from ermu.export.origins.origin import ExportOptions
from ermu.export.origins.transformers_folder import TransformersFolder
from ermu.export.transformers_video.decoder import Label, Point, Segment
from ermu.export.transformers_video.encoder import Encode
from ermu.export.transformers_video.memory import Memorize, MemorizePrompt, Recall
from tests.support.sam2.agreement import agrees, run
from tests.support.sam2.clip import frames_of, masks_of
from tests.support.sam2.edgetam import small_edgetam
from tests.support.sam2.network import draw_weights, small_config, write_folder
from tests.support.sam2.session import Reference

pytest.importorskip("transformers")
ABSENT = -1024


@pytest.fixture(scope="module")
def model():
    return small_edgetam()


@pytest.fixture(scope="module")
def tracked(model):
    """Twelve frames of an object, a mask on the first."""
    reference, frames = Reference(model), frames_of(12)
    for index, frame in enumerate(frames):
        reference.step(frame, None if index else masks_of()[0])
    return reference, frames


def read_memory(reference, index):
    """The first frame, and the last six others."""
    model, kept = reference.model, reference.kept
    recent = [i for i in range(1, index) if index - i < model.num_maskmem]
    table = model.memory_temporal_positional_encoding[:, 0, 0]
    rows = torch.stack([table[-1], *(table[index - i - 1] for i in recent)])
    entries = torch.stack([kept(i)["maskmem_features"][0] for i in (0, *recent)])
    pointers = torch.stack([kept(i)["object_pointer"][0, 0] for i in range(index)])
    return entries, rows, pointers, torch.tensor([float(index - i) for i in range(index)])


def test_followed_frames_are_the_sessions(model, tracked):
    reference, frames = tracked
    encode, recall, segment, memorize = Encode(model), Recall(model), Segment(model), Memorize(model)
    there = []
    for index in range(1, 12):
        f4, f8, f16, _ = run(encode, frames[index][None])
        verdict = run(segment, run(recall, f16, *read_memory(reference, index)), f4, f8)
        kept = reference.kept(index)
        agrees(verdict, kept)
        entry = run(memorize, f16, verdict.logits, verdict.presence)
        torch.testing.assert_close(entry, kept["maskmem_features"][0], atol=2e-4, rtol=1e-5)
        there.append(bool(verdict.presence > 0))
    assert set(there) == {True, False}


def test_prompts_are_the_sessions(model):
    frame = frames_of(1)[0]
    f4, f8, f16, first = run(Encode(model), frame[None])
    masked, clicked = Reference(model), Reference(model)
    masked.step(frame, masks_of()[1])
    verdict = run(Label(model), masks_of()[1], f4, f8, f16)
    agrees(verdict, masked.kept(0))
    entry = run(MemorizePrompt(model), f16, masks_of()[1], verdict.presence)
    torch.testing.assert_close(entry, masked.kept(0)["maskmem_features"][0], atol=2e-4, rtol=1e-5)
    clicked.step(frame, clicks=([(40.0, 50.0)], [1]))
    points, signs = torch.tensor([[40.0, 50.0]]), torch.ones(1)
    agrees(run(Point(model), first, f4, f8, points, signs), clicked.kept(0))


def test_a_bundle_follows_objects_as_the_sessions_do(model, edgetam_bundle):
    """On ONNX Runtime: two objects, 20 frames, a session each."""
    clip, masks = [np.uint8(frame.numpy()) for frame in frames_of(20)], masks_of()
    segmenter = Segmenter(edgetam_bundle, backend="onnxruntime", precision="fp32")
    references, there = [Reference(model), Reference(model)], []
    for index, frame in enumerate(clip):
        bgr = np.ascontiguousarray(frame[..., ::-1])
        label = (masks[0] + 2 * masks[1]).numpy().astype(np.uint8)
        _ = segmenter.step(bgr) if index else segmenter.start(bgr, label)
        for k, reference in enumerate(references):
            output = reference.step(torch.from_numpy(frame).float(), None if index else masks[k])
            theirs, ours = output.pred_masks[0, 0].numpy(), segmenter.logits()[0, 1 + k]
            assert np.abs(ours - theirs).max() < 2e-3
            there.append(bool(theirs.max() > ABSENT))
    assert set(there) == {True, False}


def test_a_folder_of_it_is_read(tmp_path):
    """With the encoder of SAM 2, which its config may name and which needs no other package."""
    known = small_edgetam().config.to_dict()
    EdgeTamVideoConfig, EdgeTamVideoModel = _edgetam_types()
    config = EdgeTamVideoConfig(**{**known, "vision_config": small_config().vision_config.to_dict()})
    written = draw_weights(EdgeTamVideoModel(config).eval())
    read = TransformersFolder().read(write_folder(tmp_path / "EdgeTAM", written), ExportOptions())
    assert [graph.name for graph in read.graphs] == [
        *("encode", "recall", "segment", "point", "label", "memorize", "memorize_prompt", "score")
    ]
    assert read.graphs[-2].outputs[0].shape == (32, 64), "16 tokens of the whole and 16 of parts"
    frame = frames_of(1)[0][None]
    for ours, theirs in zip(run(read.graphs[0].module, frame), run(Encode(written), frame), strict=True):
        assert torch.equal(ours, theirs)


@pytest.mark.skipif(find_spec("timm") is not None, reason="timm is installed")
def test_its_own_encoder_needs_timm(tmp_path):
    EdgeTamVideoConfig, _ = _edgetam_types()
    config = EdgeTamVideoConfig(vision_config={"model_type": "edgetam_vision_model"})
    (tmp_path / "config.json").write_text(config.to_json_string())
    (tmp_path / "model.safetensors").touch()
    with pytest.raises(DependencyError) as raised:
        TransformersFolder().read(tmp_path, ExportOptions())
    assert str(raised.value) == (
        f"Exporting {tmp_path} needs the package 'timm', which is not installed.\n"
        "Fix: pip install 'ermu[edgetam]'"
    )


def _edgetam_types():
    from transformers import EdgeTamVideoConfig, EdgeTamVideoModel

    return EdgeTamVideoConfig, EdgeTamVideoModel
