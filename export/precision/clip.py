"""Frames to measure a precision on, and to calibrate one with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ermu.errors import PromptError, SourceError, counted
from ermu.runtime.backends.base import Backend
from ermu.runtime.backends.choosing import AUTO
from ermu.runtime.bundle.bundle import Bundle
from ermu.runtime.bundle.manifest import Manifest
from ermu.runtime.bundle.object_manifest import ObjectManifest
from ermu.runtime.images.labels import as_prompt, read_label_map
from ermu.runtime.segmenter import Segmenter
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

    def segmenter(self, bundle: Bundle, backend: str | Backend = AUTO) -> Segmenter:
        """A segmenter for it: with ERMU's policy where objects share memories, else with the bundle's own.

        Args:
            bundle: At the precision to run.
            backend: As of `Segmenter`.
        """
        policy = None if isinstance(bundle.manifest, ObjectManifest) else "ermu"
        return Segmenter(
            bundle,
            policy=policy,
            capacity=self.capacity,
            gap=self.gap,
            long_edge=self.long_edge,
            backend=backend,
        )


def procedural_clip(
    seed: int = 1000,
    *,
    frames: int = CLIP_FRAMES,
    objects: int = 4,
    size_hw: tuple[int, int] = (240, 416),
) -> Clip:
    """A clip that `ermu.scenes` draws: there is one on every machine, the same on each."""
    from ermu.scenes.config import SceneConfig
    from ermu.scenes.scene import Scene

    scene = Scene(SceneConfig(seed=seed, size_hw=size_hw, frames=frames, objects=objects, split="validation"))
    name = f"scene {seed}, {size_hw[1]}x{size_hw[0]}, {counted(objects, 'object')}"
    return Clip(name, [scene[t][0] for t in range(frames)], scene[0][1])


def clip_for(manifest: Manifest) -> Clip:
    """The clip that a bundle is measured on unless told otherwise.

    Shorter, and with fewer objects, for networks that follow each by itself: they take a second and more for
    each of them.
    """
    if isinstance(manifest, ObjectManifest):
        return procedural_clip(frames=12, objects=2)
    return procedural_clip()


def given_clip(source: str | None, prompt: Path | None, *, frames: int = CLIP_FRAMES) -> Clip | None:
    """The user's clip, where one is given; raises as `recorded_clip`, and where only one of both is."""
    if source and prompt:
        return recorded_clip(source, prompt, frames=frames)
    if source or prompt:
        raise PromptError(
            "--clip and --prompt go together.", expected="a video, and the label map of its first frame"
        )
    return None


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
