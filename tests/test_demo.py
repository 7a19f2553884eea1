"""`ermu demo` and the bundle that comes with the package."""

from __future__ import annotations

import json
import re

import cv2
import numpy as np
import pytest

from ermu.assets import DEMO_BUNDLE, DEMO_CHECKPOINT, DEMO_EXPORT
from ermu.runtime.bundle.bundle import Bundle
from ermu.runtime.files import sha256_of
from ermu.runtime.images.label_folder import MARK
from ermu.runtime.images.labels import write_label_map
from ermu.runtime.segmenter import Segmenter
from ermu.scenes.config import SceneConfig
from ermu.scenes.scene import Scene
from tests.cli.commands.test_run import ermu


def test_demo_segments_its_clip(tmp_path):
    (tmp_path / "demo" / "labels").mkdir(parents=True)  # a longer demo's last label map
    write_label_map(tmp_path / "demo" / "labels" / "00020.png", np.ones((2, 2), np.uint8), software=MARK)
    done = ermu("demo", "--out", tmp_path / "demo", "--frames", 20)
    assert done.returncode == 0, done.stderr
    assert "ermu eval --bundle demo --dataset davis2016 --root DAVIS" in done.stdout
    mean = float(re.search(r"mean\s*│\s*([\d.]+)", done.stdout)[1])
    assert mean > 0.7  # the labels are known: an untrained network stays below 0.2
    assert len(list((tmp_path / "demo" / "labels").iterdir())) == 20
    assert len((tmp_path / "demo" / "trace.jsonl").read_text().splitlines()) == 20
    video = cv2.VideoCapture(str(tmp_path / "demo" / "overlay.mp4"))
    assert sum(1 for _ in iter(lambda: video.read()[0], False)) == 20


def test_ready_made_bundle_is_the_checkpoints():
    manifest = Bundle.load("demo").manifest
    assert manifest.provenance.checkpoint_sha256 == sha256_of(DEMO_CHECKPOINT)
    exported = {
        "long_edge": manifest.input.long_edge,
        "gap": manifest.memory.gap,
        "resampling": manifest.input.resampling,
        "relevance_weight": manifest.score.relevance_weight,
    }
    assert exported == DEMO_EXPORT
    assert DEMO_CHECKPOINT.stat().st_size < 16e6


def test_ready_made_bundle_gives_what_an_export_gives(tmp_path):
    pytest.importorskip("torch")
    from ermu.export.checkpoint import load_checkpoint
    from ermu.export.network.recognition import build_network
    from tests.support.torch_backend import TorchBackend

    checkpoint = load_checkpoint(DEMO_CHECKPOINT)
    network = build_network(checkpoint, checkpoint.spec)
    bundle = Bundle.load(DEMO_BUNDLE)
    segmenters = [Segmenter(bundle), Segmenter(bundle, backend=TorchBackend(bundle, network, "whole"))]
    scene = Scene(SceneConfig(seed=5, frames=4))
    for segmenter in segmenters:
        segmenter.start(*scene[0])
        for t in range(1, 4):
            segmenter.step(scene[t][0], remember=scene[t][1])
    ready, exported = (segmenter.logits() for segmenter in segmenters)
    assert np.abs(ready - exported).max() < 1e-3


def test_a_bundle_called_demo_wins_over_the_package_s(tmp_path, tiny_bundle, monkeypatch):
    (tmp_path / "demo").symlink_to(tiny_bundle)
    monkeypatch.chdir(tmp_path)
    assert json.loads((tmp_path / "demo" / "manifest.json").read_text())["network"]["name"] == "tiny"
    assert Bundle.load("demo").manifest.network.name == "tiny"
