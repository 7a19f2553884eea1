"""The named clips: the fixed validation sets, the clips that compare eviction policies, and the demo's."""

from __future__ import annotations

from dataclasses import replace

from ermu.scenes.config import SceneConfig

_VALIDATION_CLIPS = 40
_POLICY_CLIPS = 12
_FOOTAGE_CLIPS = 20
_TUNING_SEED = 3000
_DEMO_SEED = 307


def validation_scenes() -> tuple[SceneConfig, ...]:
    """Returns the fixed validation set: 40 clips of 60 frames, 240 x 416, 1 to 6 objects.

    Every second clip uses photographs, none of which the training split has.
    """
    return tuple(
        SceneConfig(
            seed=i,
            size_hw=(240, 416),
            frames=60,
            objects=1 + i % 6,
            textures="mixed" if i % 4 in (1, 2) else "generated",
            split="validation",
            motion=(0.6, 1.0, 1.4)[(i // 6) % 3],
        )
        for i in range(_VALIDATION_CLIPS)
    )


def policy_scenes() -> tuple[SceneConfig, ...]:
    """Returns twelve clips of 300 frames whose objects leave and come back, change their look, or both."""
    return tuple(
        SceneConfig(
            seed=1000 + i,
            size_hw=(240, 416),
            frames=300,
            objects=3 + i % 2,
            split="validation",
            leave_and_return=i % 3 != 1,
            appearance_change=i % 3 != 0,
        )
        for i in range(_POLICY_CLIPS)
    )


def tuning_scenes() -> tuple[SceneConfig, ...]:
    """Returns twelve clips like those that compare policies, of the training split: they choose constants."""
    return tuple(
        replace(config, seed=_TUNING_SEED + i, split="train") for i, config in enumerate(policy_scenes())
    )


def footage_scenes() -> tuple[SceneConfig, ...]:
    """Returns twenty clips of 40 frames, 480 x 854, of photographs that no training draws from.

    One or two objects, as real footage is annotated; drawing them needs the packages of `make photographs`.
    """
    return tuple(
        SceneConfig(
            seed=2000 + i,
            size_hw=(480, 854),
            frames=40,
            objects=1 + i % 2,
            split="validation",
            motion=(0.7, 1.0, 1.4)[i % 3],
            leave_and_return=i % 5 == 4,
            style="footage",
        )
        for i in range(_FOOTAGE_CLIPS)
    )


def demo_scene() -> SceneConfig:
    """Returns the clip of `ermu demo`: 640 x 360, 90 frames, five objects, generated textures only."""
    return SceneConfig(
        seed=_DEMO_SEED,
        size_hw=(360, 640),
        frames=90,
        objects=5,
        split="validation",
        distractors=0,
        occluders=0,
    )
