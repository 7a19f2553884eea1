"""SAM 2.1's and EdgeTAM's peers do the work of transformers' own sessions."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ermu.benchmarks.peer import PeerOptions
from ermu.errors import BenchmarkError
from ermu.registries import PEERS
from ermu.runtime.bundle.bundle import Bundle
from tests.benchmarks.systems.clips import frames_of, label_of

torch = pytest.importorskip("torch")
pytest.importorskip("transformers", reason="transformers is not installed (ermu[sam2])")

from tests.benchmarks.systems.small import GRIDS, SIDE, drawn, normalise  # noqa: E402

FRAMES = 20  # the memory is full and the oldest pointer forgotten after 16


def opened(peer: str, weights: Path | None, precision: str = "fp32") -> Any:
    options = PeerOptions(Bundle.load("demo"), 1, 9, precision, weights=weights)
    return PEERS.get(peer).open(options)


def own_label_maps(model: Any, session_type: Any, frames: list[Any], label: Any) -> list[Any]:
    """Transformers alone: the whole video given at once, nothing forgotten, label maps made one by one.

    Pixels are normalised in bytes' range, as its processors do.
    """
    mean, spread = (
        np.array(of_channels, np.float32) * np.float32(255)
        for of_channels in ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
    )
    video = np.stack([(frame[..., ::-1] - mean) / spread for frame in frames])
    session = session_type(
        torch.from_numpy(video).permute(0, 3, 1, 2).float(), SIDE, SIDE, dtype=torch.float32
    )
    for identity in (2, 7):
        mask = torch.from_numpy((label == identity).astype(np.float32))[None, None]
        session.add_mask_inputs(session.obj_id_to_idx(identity), 0, mask)
    session.obj_with_new_inputs = [2, 7]
    model(session, frame_idx=0)
    found = []
    for output in model.propagate_in_video_iterator(session):
        whole = torch.nn.functional.interpolate(output.pred_masks, (SIDE, SIDE), mode="bilinear")[:, 0]
        first, second = whole.numpy()
        map_of = np.where(first > np.maximum(second, 0), 2, np.where(second > 0, 7, 0))
        found.append(map_of)
    return found[1:]


def check_against_transformers(peer: str, folder: Path, model_type: Any, session_type: Any) -> None:
    frames, label = frames_of(FRAMES, (SIDE, SIDE)), label_of((SIDE, SIDE))
    system = opened(peer, folder)
    system.start(frames[0], label)
    followed = [system.step(frame) for frame in frames[1:]]
    model = model_type.from_pretrained(folder).eval()
    expected = own_label_maps(model, session_type, frames, label)
    assert len(followed) == len(expected) == FRAMES - 1
    assert all(each.remembered for each in followed)
    assert min(np.mean(a.label == b) for a, b in zip(followed, expected, strict=True)) > 0.999
    assert {2, 7} <= {int(i) for each in expected for i in np.unique(each)}
    assert any((a != b).any() for a, b in pairwise(expected))


def test_label_maps_are_transformers_own(folder: Path) -> None:
    from transformers import Sam2VideoModel
    from transformers.models.sam2_video.modeling_sam2_video import Sam2VideoInferenceSession

    check_against_transformers("sam2-transformers", folder, Sam2VideoModel, Sam2VideoInferenceSession)


@pytest.mark.long
def test_compiled_ones_too(folder: Path) -> None:
    """A minute of compiling, with the memory full: 17 frames in."""
    from transformers import Sam2VideoModel
    from transformers.models.sam2_video.modeling_sam2_video import Sam2VideoInferenceSession

    check_against_transformers("sam2-compile", folder, Sam2VideoModel, Sam2VideoInferenceSession)


def test_edgetams_label_maps_are_transformers_own(tmp_path: Path) -> None:
    try:
        import timm  # noqa: F401
    except (ImportError, RuntimeError) as error:
        pytest.skip(f"timm or torchvision does not load here (ermu[edgetam]): {error}")
    from transformers import EdgeTamVideoConfig, EdgeTamVideoModel
    from transformers.models.edgetam_video.modeling_edgetam_video import EdgeTamVideoInferenceSession

    from ermu.benchmarks.systems.loading import EDGETAM

    fields = EDGETAM.config().to_dict()
    fields["vision_config"]["backbone_feature_sizes"] = GRIDS
    fields["prompt_encoder_config"]["image_size"] = fields["image_size"] = SIDE
    fields |= {"memory_attention_rope_feat_sizes": GRIDS[-1], "memory_attention_rope_k_sizes": [4, 4]}
    fields |= {"perceiver_resampler_num_latents": 16, "perceiver_resampler_num_latents_2d": 16}
    model = drawn(EdgeTamVideoModel, EdgeTamVideoConfig(**fields))
    normalise(model.vision_encoder)
    model.save_pretrained(tmp_path)
    check_against_transformers(
        "edgetam-transformers", tmp_path, EdgeTamVideoModel, EdgeTamVideoInferenceSession
    )


def test_what_is_read_no_more_is_forgotten(folder: Path) -> None:
    """Of an endless stream: no frame, no mask of the network's size, outputs of 15 frames and the first."""
    frames, label = frames_of(2, (SIDE, SIDE)), label_of((SIDE, SIDE))
    system = opened("sam2-transformers", folder)
    system.start(frames[0], label)
    for _ in range(system.settles + 3):
        system.step(frames[1])
    session = system._session
    assert not session.processed_frames
    for kept in session.output_dict_per_obj.values():
        assert list(kept["cond_frame_outputs"]) == [0]
        assert len(kept["non_cond_frame_outputs"]) == 16
        outputs = (*kept["cond_frame_outputs"].values(), *kept["non_cond_frame_outputs"].values())
        assert not any("high_res_masks" in each for each in outputs)


def test_frames_of_any_size_and_bfloat16(folder: Path) -> None:
    """Products rounded to bfloat16 where the processor has them; a label map has its frame's size."""
    frames, label = frames_of(3, (90, 160)), label_of((90, 160))
    exact, rounded = (opened("sam2-transformers", folder, precision) for precision in ("fp32", "int8"))
    for system in (exact, rounded):
        system.start(frames[0], label)
    assert exact.precision == "fp32"
    assert rounded.precision == PEERS.get("sam2-transformers").precision(
        PeerOptions(Bundle.load("demo"), 1, 9, "int8")
    )
    for frame in frames[1:]:
        one, other = exact.step(frame).label, rounded.step(frame).label
        assert one.shape == other.shape == (90, 160) and one.dtype == np.uint8
        assert np.mean(one == other) > 0.9


def test_the_published_network_is_drawn_where_no_weights_are_given() -> None:
    system = opened("sam2-transformers", None)
    assert not system.trained
    assert "random weights" in system.description and "1024x1024" in system.description
    assert sum(weight.numel() for weight in system._model.parameters()) == pytest.approx(38.9e6, rel=0.01)


def test_folders_of_other_things_are_refused(tmp_path: Path, folder: Path) -> None:
    for nothing in (tmp_path, tmp_path / "elsewhere"):
        with pytest.raises(
            BenchmarkError, match=r"has no config\.json\.\n.*\nFix: download the whole folder"
        ):
            opened("sam2-transformers", nothing)
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(BenchmarkError, match=r"config\.json cannot be read"):
        opened("sam2-transformers", tmp_path)
    (tmp_path / "config.json").write_text('{"model_type": "sam3_video"}')
    with pytest.raises(BenchmarkError, match="'sam3_video'"):
        opened("sam2-transformers", tmp_path)
    (tmp_path / "config.json").write_bytes((folder / "config.json").read_bytes())
    with pytest.raises(BenchmarkError, match="cannot be loaded"):
        opened("sam2-transformers", tmp_path)
    from safetensors.torch import load_file, save_file

    weights = load_file(folder / "model.safetensors")
    del weights["no_memory_embedding"]
    save_file(weights, tmp_path / "model.safetensors", {"format": "pt"})
    with pytest.raises(BenchmarkError, match="lacks 1 weights, no_memory_embedding"):
        opened("sam2-transformers", tmp_path)
