"""A bundle's run is the Segmenter's, with the gap that the sequence's length asks for."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ermu.errors import BundleError
from ermu.evaluation.layouts.scenes import SceneSequence
from ermu.evaluation.prediction.opening import open_predictor
from ermu.evaluation.prediction.settings import RunSettings
from ermu.runtime.bundle.bundle import Bundle
from ermu.runtime.segmenter import Segmenter
from ermu.scenes.config import SceneConfig
from ermu.scenes.scene import Scene

CONFIG = SceneConfig(seed=2, size_hw=(64, 80), frames=13, objects=2)


@pytest.fixture
def by_length(tiny_bundle: Path, tmp_path: Path) -> Path:
    """The tiny bundle with the rule of the published networks: 13 frames are few, the gap is 5."""
    folder = Path(shutil.copytree(tiny_bundle, tmp_path / "bundle"))
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["memory"] |= {"gap": 5, "gap_rule": "length"}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


def test_a_bundle_is_run_as_the_segmenter_runs_it(tiny_bundle: Path, by_length: Path) -> None:
    predictor = open_predictor(RunSettings(bundle=str(by_length), policy="fifo", threads=1))
    predictions = list(predictor.predict(SceneSequence("s", CONFIG)))
    by_hand = Segmenter(Bundle.load(tiny_bundle), policy="fifo", gap=5, threads=1)
    frames = list(Scene(CONFIG))
    assert [prediction.name for prediction in predictions] == [f"{t:05d}" for t in range(13)]
    np.testing.assert_array_equal(predictions[0].label, frames[0][1])
    by_hand.start(*frames[0])
    for (frame, _), prediction in zip(frames[1:], predictions[1:], strict=True):
        np.testing.assert_array_equal(prediction.label, by_hand.step(frame).label)
    assert [p.memory_frames for p in predictions] == [1] * 5 + [2] * 5 + [3] * 3


def test_sequences_after_one_another_do_not_disturb_each_other(tiny_bundle: Path) -> None:
    predictor = open_predictor(RunSettings(bundle=str(tiny_bundle), threads=1))
    first, second = (SceneSequence("s", replace(CONFIG, seed=seed)) for seed in (2, 3))
    alone = [prediction.label for prediction in predictor.predict(first)]
    list(predictor.predict(second))
    again = [prediction.label for prediction in predictor.predict(first)]
    np.testing.assert_array_equal(alone, again)


@pytest.mark.parametrize(
    ("policy", "held"), [("ermu", 4), ("rmem", 4), ("fifo", 4), ("spread", 4), ("none", 13)]
)
def test_a_policy_bounds_the_memory_to_the_bundles_capacity(
    tiny_bundle: Path, policy: str, held: int
) -> None:
    predictor = open_predictor(RunSettings(bundle=str(tiny_bundle), policy=policy, gap=1, threads=1))
    counts = [prediction.memory_frames for prediction in predictor.predict(SceneSequence("s", CONFIG))]
    assert max(counts) == held and counts[0] == 1


def test_a_missing_bundle_stops_the_run_before_it_begins(tmp_path: Path) -> None:
    with pytest.raises(BundleError):
        open_predictor(RunSettings(bundle=str(tmp_path / "nothing")))
