"""Trying weights of the relevance: each run is what a bundle exported with that weight gives."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ermu.evaluation.comparison.relevance_weight import compare_weights, with_weight
from ermu.evaluation.datasets import Dataset
from ermu.evaluation.layouts.scenes import SceneSequence
from ermu.evaluation.prediction.settings import RunSettings
from ermu.evaluation.runner import Run
from ermu.runtime.bundle.bundle import Bundle
from ermu.runtime.segmenter import Segmenter
from ermu.scenes.config import SceneConfig
from ermu.scenes.scene import Scene

CLIP = SceneConfig(seed=11, size_hw=(96, 160), frames=16, objects=2)


def test_a_copy_differs_in_the_weight_alone(tmp_path: Path) -> None:
    bundle = Bundle.load("demo")
    before = (bundle.path / "manifest.json").read_text()
    copy = json.loads((with_weight(bundle, 0.25, tmp_path / "b") / "manifest.json").read_text())
    assert copy["score"].pop("relevance_weight") == 0.25
    original = json.loads(before)
    del original["score"]["relevance_weight"]
    assert copy == original
    assert (bundle.path / "manifest.json").read_text() == before
    Bundle.load(tmp_path / "b")


def test_without_weight_the_most_redundant_frame_leaves(tmp_path: Path) -> None:
    with Segmenter(with_weight(Bundle.load("demo"), 0.0, tmp_path / "b"), policy="ermu", threads=1) as each:
        frames = list(Scene(CLIP))
        each.start(*frames[0])
        for image, _ in frames[1:]:
            held = each.memory[0].frames
            (update,) = each.step(image).memory
            if update.evicted is not None:
                redundancy = dict(zip(held, update.decision.redundancy, strict=True))
                assert redundancy[update.evicted] == max(redundancy[frame] for frame in held[1:])
        assert update.evicted is not None


def test_runs_are_those_of_the_bundle_itself(tmp_path: Path) -> None:
    dataset = Dataset("scenes", "tuning", (SceneSequence("clip", CLIP),))
    bundle = Bundle.load("demo")
    own = bundle.group_manifest.score.relevance_weight
    reports = compare_weights(dataset, bundle, (own,), tmp_path / "out", threads=1)
    assert list(reports) == [f"a={own:g}", "fifo", "rmem"]
    for name, policy in ((f"a={own:g}", "ermu"), ("fifo", "fifo")):
        settings = RunSettings("demo", policy=policy, threads=1)
        direct = Run(dataset, settings, tmp_path / policy).execute()
        assert reports[name].figures["J-Mean"] == pytest.approx(direct.figures["J-Mean"], abs=1e-9)
    assert (tmp_path / "out" / "comparison.csv").read_text().count("\n") == 4
