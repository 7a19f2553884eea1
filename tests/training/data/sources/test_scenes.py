"""Procedural scenes as a source: same index, same clip."""

from __future__ import annotations

from typing import Any

import numpy as np

from ermu.training.config import PhaseConfig
from ermu.training.data.config import DataConfig, SceneSourceConfig
from ermu.training.data.sources.mixture import Mixture
from ermu.training.data.sources.scenes import SceneSource

PHASE = PhaseConfig(frames=3, size=49, max_gap=1, scene_frames=4)


def _config(tiny: dict[str, Any]) -> SceneSourceConfig:
    source = DataConfig(**tiny["data"]).sources[0]
    assert isinstance(source, SceneSourceConfig)
    return source


def test_scene_clips_depend_on_the_index_alone(tiny: dict[str, Any]) -> None:
    """A source that has served other clips gives the same clip as a fresh one."""

    def fresh() -> Mixture:
        return Mixture([(SceneSource(_config(tiny), seed=3, spread=2), 1, None)], seed=3)

    used = fresh()
    clips = [used.clip(i, PHASE) for i in range(8)]
    for index in (7, 4, 0):
        again = fresh().clip(index, PHASE)
        assert (again.frames == clips[index].frames).all()
        assert (again.labels == clips[index].labels).all()
    assert any((clips[0].frames != clip.frames).any() for clip in clips[1:])


def test_scenes_merge_with_others_that_are_kept(tiny: dict[str, Any]) -> None:
    source, rng = SceneSource(_config(tiny), seed=3, spread=4), np.random.default_rng(0)
    assert {source.another(rng, 9) for _ in range(50)} == {8, 10, 11}
