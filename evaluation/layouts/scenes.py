"""Procedural scenes, drawn from their seeds: no folder is needed and every frame is annotated."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from ermu.errors import DatasetError
from ermu.evaluation.layout import Layout
from ermu.evaluation.sequences import VideoSequence
from ermu.runtime.sources.base import Frame
from ermu.scenes.catalogue import (
    footage_scenes,
    policy_scenes,
    tuning_scenes,
    validation_scenes,
)
from ermu.scenes.config import SceneConfig
from ermu.scenes.scene import Scene
from ermu.types import LabelMap


@dataclass(frozen=True)
class SceneSequence(VideoSequence):
    """A procedural scene, every frame annotated.

    Attributes:
        name: Name of the sequence.
        config: What the scene shows.
    """

    name: str
    config: SceneConfig

    @property
    def frame_names(self) -> tuple[str, ...]:
        return tuple(f"{t:05d}" for t in range(self.config.frames))

    @property
    def annotated(self) -> tuple[str, ...]:
        return self.frame_names

    @cached_property
    def _scene(self) -> Scene:
        return Scene(self.config)

    def frames(self) -> Iterator[Frame]:
        for t, name in enumerate(self.frame_names):
            yield Frame(t, name, self._scene[t][0])

    def annotation(self, name: str) -> LabelMap:
        return self._scene[int(name)][1]


class Scenes(Layout):
    """The scenes of `ermu.scenes.catalogue`."""

    help = "procedural scenes, no folder"
    needs_root = False
    boundary = False

    def sequences(self, root: Path, split: str) -> tuple[VideoSequence, ...]:
        """See `Layout.sequences`."""
        splits = {
            "val": validation_scenes,
            "policy": policy_scenes,
            "tuning": tuning_scenes,
            "footage": footage_scenes,
        }
        if split not in splits:
            known = ", ".join(splits)
            raise DatasetError(f"The dataset scenes has no split '{split}'.", expected=f"one of {known}")
        return tuple(SceneSequence(f"{split}-{i:02d}", config) for i, config in enumerate(splits[split]()))


PLUGIN = Scenes
