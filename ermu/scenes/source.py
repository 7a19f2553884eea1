"""Procedural clips as a source: `scene:7,objects=3,size=240x416`, or the demo's, `demo:`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from ermu.errors import OptionError, SourceError
from ermu.runtime.sources.base import Frame, Source
from ermu.scenes.config import SceneConfig
from ermu.types import LabelMap

PREFIXES = ("scene:", "demo:")
_EXPECTED = "scene:SEED or demo:, then ,objects=N ,frames=N ,size=HxW ,motion=X ,fps=X ,swing"


class SceneSource(Source):
    """A drawn clip with exact labels, the same in every process.

    Args:
        config: What to draw.
        fps: Nominal rate.
        swing: Play the clip forth and back for ever, so that nothing jumps.

    Raises:
        OptionError: the rate is not positive.
    """

    help = "a drawn clip, scene:SEED or demo:"

    def __init__(self, config: SceneConfig, *, fps: float = 15.0, swing: bool = False) -> None:
        if not fps > 0:
            raise OptionError(f"A scene cannot have {fps} frames a second.", expected="more than 0")
        from ermu.scenes.scene import Scene  # with all that draws; only one who opens a scene needs it

        self._scene, self._swing = Scene(config), swing
        self.fps = fps
        self.total_frames = None if swing else config.frames
        self.description = f"scene {config.seed}"

    @classmethod
    def opens(cls, where: str) -> bool:
        """See `Source.opens`."""
        return where.startswith(PREFIXES)

    @classmethod
    def open(cls, where: str) -> SceneSource:
        """See `Source.open`; raises `SourceError` where a field is unknown or no number."""
        from ermu.scenes.catalogue import demo_scene

        prefix, _, rest = where.partition(":")
        fields = [field for field in rest.split(",") if field]
        try:
            config = demo_scene() if prefix == "demo" else SceneConfig(seed=int(fields.pop(0)))
            options: dict[str, Any] = {}
            for field in fields:
                name, _, value = field.partition("=")
                if name == "swing":
                    options["swing"] = True
                elif name == "fps":
                    options["fps"] = float(value)
                else:
                    config = replace(config, **_config_field(name, value))
            return cls(config, **options)
        except (ValueError, IndexError, KeyError) as error:
            raise SourceError(f"'{where}' describes no scene: {error}.", expected=_EXPECTED) from error

    def __iter__(self) -> Iterator[Frame]:
        index = 0
        while self._swing or index < len(self._scene):
            image, _ = self._scene[self._position(index)]
            yield Frame(index, f"{index:05d}", image, time=index / self.fps)
            index += 1

    def first_label(self) -> LabelMap | None:
        return self._scene[0][1]

    def label(self, index: int) -> LabelMap:
        """The exact label map of a frame, uint8 H x W."""
        return self._scene[self._position(index)][1]

    def _position(self, index: int) -> int:
        last = len(self._scene) - 1
        return last - abs(index % (2 * last) - last) if self._swing and last else min(index, last)


def _config_field(name: str, value: str) -> dict[str, Any]:
    if name == "size":
        height, width = value.split("x")
        return {"size_hw": (int(height), int(width))}
    convert = {"objects": int, "frames": int, "distractors": int, "occluders": int, "motion": float}[name]
    return {name: convert(value)}
