"""Procedural video clips with exact label maps, drawn from a seed: for training, validation and the demo.

Example:
    >>> from ermu.scenes import Scene, SceneConfig
    >>> scene = Scene(SceneConfig(seed=7, objects=3))
    >>> frame, label = scene[0]
    >>> frame.shape, label.shape
    ((240, 416, 3), (240, 416))
"""

from __future__ import annotations

from ermu.scenes.catalogue import demo_scene, policy_scenes, validation_scenes
from ermu.scenes.config import SceneConfig
from ermu.scenes.scene import Scene

__all__ = ["Scene", "SceneConfig", "demo_scene", "policy_scenes", "validation_scenes"]
