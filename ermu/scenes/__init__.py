"""Procedural video clips with exact label maps, drawn from a seed: for training, validation and the demo.

Example:
    >>> from ermu.scenes import Scene, SceneConfig
    >>> scene = Scene(SceneConfig(seed=7, objects=3))
    >>> frame, label = scene[0]
    >>> frame.shape, label.shape
    ((240, 416, 3), (240, 416))
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ermu.scenes.catalogue import demo_scene, policy_scenes, validation_scenes
    from ermu.scenes.config import SceneConfig
    from ermu.scenes.scene import Scene

__all__ = ["Scene", "SceneConfig", "demo_scene", "policy_scenes", "validation_scenes"]

_PLACES = {"Scene": "scene", "SceneConfig": "config"}  # the others are the catalogue's


def __getattr__(name: str) -> Any:
    """Loads what draws when it is first asked for: every start looks whether its source is a scene."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_PLACES.get(name, 'catalogue')}"), name)
