"""`ermu export` and `ermu inspect` as a user starts them."""

from __future__ import annotations

import numpy as np
import pytest

from ermu.runtime.bundle.bundle import Bundle
from ermu.runtime.segmenter import Segmenter
from tests.cli.commands.test_run import ermu


def test_export_says_its_steps_and_inspect_shows_it(tiny_checkpoint, tiny_bundle, tmp_path):
    options = ("--size", "65x97", "--capacity", 4, "--gap", 3)
    done = ermu("export", "--checkpoint", tiny_checkpoint, "--out", tmp_path / "b", *options)
    assert done.returncode == 0, done.stderr
    steps = done.stderr.splitlines()
    assert steps[0] == f"trace {next(iter(Bundle.load(tiny_bundle).manifest.graphs))} (1 of {len(steps)})"
    assert [step.partition(" (")[2] for step in steps] == [
        f"{i + 1} of {len(steps)})" for i in range(len(steps))
    ]
    assert "largest difference to torch" in done.stdout and len(done.stdout.splitlines()) == 1
    shown = ermu("inspect", tmp_path / "b")
    assert shown.returncode == 0
    for fact in (
        "tiny",
        "--policy ermu --capacity 4 --gap 3",
        "65x97",
        "propagate",
        "T x h x w x 64",
        "licence",
    ):
        assert fact in shown.stdout
    _fixed_size_gives_what_the_dynamic_bundle_gives(Bundle.load(tmp_path / "b"), tiny_bundle)


def _fixed_size_gives_what_the_dynamic_bundle_gives(fixed, tiny_bundle):
    assert fixed.manifest.input.size == (65, 97)
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 256, (8, 65, 97, 3), np.uint8)
    label = np.zeros((65, 97), np.uint8)
    label[10:30, 10:40], label[40:60, 50:90] = 3, 9
    segmenters = [Segmenter(fixed), Segmenter(tiny_bundle, gap=3)]
    for segmenter in segmenters:
        segmenter.start(frames[0], label)
    for frame in frames[1:]:
        results = [segmenter.step(frame) for segmenter in segmenters]
        assert np.allclose(*[segmenter.logits() for segmenter in segmenters], atol=1e-4)
        assert results[0].memory_frames == results[1].memory_frames


def test_errors(tiny_checkpoint, synthetic_checkpoint, tmp_path):
    for arguments, expected in (
        (("--checkpoint", tmp_path / "none.pth", "--network", "aott"), "There is no checkpoint"),
        (("--checkpoint", synthetic_checkpoint("aott"), "--network", "zoo_aott"), "--network aott, or none"),
        (("--checkpoint", tiny_checkpoint, "--policy", "lru"), "Unknown eviction policy 'lru'"),
        (("--checkpoint", synthetic_checkpoint("aott"), "--network", "deaott"), "--network aott, or none"),
        (("--checkpoint", tiny_checkpoint, "--size", "large"), "HEIGHTxWIDTH, for example 353x641"),
    ):
        done = ermu("export", *arguments, "--out", tmp_path / "b")
        assert done.returncode == 1
        assert expected in done.stderr and "Traceback" not in done.stderr
        assert list(tmp_path.iterdir()) == []


@pytest.mark.long
def test_a_folder_of_transformers(sam2_folder, tmp_path):
    done = ermu("export", "--checkpoint", sam2_folder, "--out", tmp_path / "b", "--capacity", 5)
    assert done.returncode == 0, done.stderr
    assert f"{sam2_folder.name} -> {tmp_path / 'b'}: 7 graphs, largest difference to torch" in done.stdout
    assert "by default --policy fifo --capacity 5 --gap 1" in done.stdout
    assert len(done.stderr.splitlines()) == 14 and "Warning" not in done.stderr
    source = ("--source", "scene:7,size=96x160,frames=4,objects=2")
    followed = ermu("run", "--bundle", tmp_path / "b", *source, "--out", tmp_path / "result")
    assert followed.returncode == 0, followed.stderr
    assert len(list((tmp_path / "result" / "labels").glob("*.png"))) == 4


def test_a_folder_that_cannot_be_exported(tmp_path):
    pytest.importorskip("transformers")
    (tmp_path / "sam3").mkdir()
    (tmp_path / "sam3" / "config.json").write_text('{"model_type": "sam3_video"}')
    (tmp_path / "sam3" / "model.safetensors").touch()
    done = ermu("export", "--checkpoint", tmp_path / "sam3", "--out", tmp_path / "b")
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert "is SAM 3 (model_type 'sam3_video'), whose memory is another." in done.stderr
    assert "SAM 2 and 2.1 for video, such as facebook/sam2.1-hiera-tiny, or" in done.stderr
