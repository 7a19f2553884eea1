"""Clips of procedural scenes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ermu.training.config import PhaseConfig
from ermu.training.data.augmentation.choice import augment
from ermu.training.data.config import SceneSourceConfig
from ermu.training.data.frames import frame_indices
from ermu.training.data.sample import Sample
from ermu.training.data.sources.source import other_item

Picture = tuple[NDArray[np.uint8], NDArray[np.uint8]]


class SceneSource:
    """Clips of procedural scenes (`ermu.scenes`, split 'train'); an item is a clip's index.

    Rendering a scene costs more than drawing a clip from it, so `spread` scenes are kept and visited in turn;
    each gives way to a new one after `clips_per_scene` visits, not all of them in the same round.

    Args:
        config: Size, length and kind of the scenes.
        seed: Part of every scene's seed.
        spread: Scenes kept; the distance in indices between two clips of one scene.
    """

    size = None

    def __init__(self, config: SceneSourceConfig, seed: int, spread: int = 64) -> None:
        self._config, self._seed, self._spread = config, seed, spread
        self._kept: dict[int, tuple[tuple[int, int], list[Picture]]] = {}

    def sample(self, rng: np.random.Generator, item: int, phase: PhaseConfig) -> Sample:
        """See `ClipSource`."""
        pictures = self._scene(item, phase.scene_frames)
        chosen = [pictures[i] for i in frame_indices(rng, len(pictures), phase.frames, phase.max_gap)]
        return augment(rng, [frame for frame, _ in chosen], [label for _, label in chosen], phase)

    def another(self, rng: np.random.Generator, item: int) -> int:
        """A clip of one of the other scenes that are kept at the time."""
        visit, place = divmod(item, self._spread)
        return visit * self._spread + other_item(rng, place, self._spread)

    def _scene(self, index: int, frames: int) -> list[Picture]:
        visit, place = divmod(index, self._spread)
        age = self._config.clips_per_scene
        wanted = ((visit + place % age) // age * self._spread + place, frames)
        if place not in self._kept or self._kept[place][0] != wanted:
            self._kept[place] = (wanted, self._render(*wanted))
        return self._kept[place][1]

    def _render(self, number: int, frames: int) -> list[Picture]:
        from ermu.scenes.config import SceneConfig
        from ermu.scenes.scene import Scene

        rng = np.random.default_rng([self._seed, number, 1])
        low, high = self._config.objects
        scene = Scene(
            SceneConfig(
                seed=int(rng.integers(2**31)),
                size_hw=self._config.size_hw,
                frames=self._config.length,
                objects=int(rng.integers(low, high + 1)),
                textures=self._config.textures,
                style=self._config.style,
                motion=float(rng.uniform(0.5, 2.0)),
                leave_and_return=bool(rng.random() < 0.15),
                appearance_change=bool(rng.random() < 0.15),
            )
        )
        start = int(rng.integers(self._config.length - frames + 1))
        pictures = (scene[start + i] for i in range(frames))
        return [(np.ascontiguousarray(frame[:, :, ::-1]), label) for frame, label in pictures]
