"""Frames to measure a precision on, and to calibrate one with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ermu.errors import SourceError
from ermu.runtime.images.labels import as_prompt, read_label_map
from ermu.runtime.sources.opening import open_source
from ermu.types import Image, LabelMap

CLIP_FRAMES = 24


@dataclass(frozen=True)
class Clip:
    """Frames to measure and to calibrate on.

    Attributes:
        name: Recorded with every figure.
        frames: BGR uint8 H x W x 3.
        label: uint8 H x W of the first frame.
        capacity: Memory frames; small, so that a short clip evicts.
        gap: Frames between two appends.
        long_edge: Of the network input; None for the bundle's own.
    """

    name: str
    frames: Sequence[Image]
    label: LabelMap
    capacity: int = 4
    gap: int = 2
    long_edge: int | None = None


def procedural_clip(seed: int = 1000, *, frames: int = CLIP_FRAMES, objects: int = 4) -> Clip:
    """A clip that `ermu.scenes` draws, 416 x 240: there is one on every machine, the same on each."""
    from ermu.scenes.config import SceneConfig
    from ermu.scenes.scene import Scene

    scene = Scene(
        SceneConfig(seed=seed, size_hw=(240, 416), frames=frames, objects=objects, split="validation")
    )
    return Clip(
        f"scene {seed}, 416x240, {objects} objects", [scene[t][0] for t in range(frames)], scene[0][1]
    )


def recorded_clip(source: str, prompt: Path, *, frames: int = CLIP_FRAMES) -> Clip:
    """The beginning of a video of the user's.

    Raises:
        SourceError: the source holds fewer than two frames.
        PromptError: the label map cannot be read.
    """
    with open_source(source) as opened:
        images = [frame.image for frame, _ in zip(opened, range(frames), strict=False)]
    if len(images) < 2:
        raise SourceError(
            f"{source} has {len(images)} frames.", expected="at least 2 to compare precisions on"
        )
    return Clip(Path(source).name, images, as_prompt(read_label_map(prompt)))
