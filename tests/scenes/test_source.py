"""Scenes as a source."""

from __future__ import annotations

from ermu.scenes.source import SceneSource


def test_a_swinging_scene_never_jumps() -> None:
    source = SceneSource.open("scene:3,frames=5,size=48x64,swing")
    assert [source._position(i) for i in range(10)] == [0, 1, 2, 3, 4, 3, 2, 1, 0, 1]
