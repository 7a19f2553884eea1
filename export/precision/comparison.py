"""What a precision changes: two runs over the same clip, side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ermu.errors import SourceError
from ermu.runtime.bundle.bundle import Bundle
from ermu.runtime.bundle.manifest import Comparison
from ermu.runtime.images.labels import object_ids, read_label_map
from ermu.runtime.segmenter import Segmenter
from ermu.runtime.sources.opening import open_source
from ermu.types import LabelMap

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
    frames: Sequence[npt.NDArray[np.uint8]]
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
    return Clip(Path(source).name, images, read_label_map(prompt))


@dataclass(frozen=True)
class Track:
    """A run over a clip: label maps and logits of every frame, and the frames evicted, in order."""

    labels: list[LabelMap]
    logits: list[npt.NDArray[np.float32]]
    evicted: list[int]


def track(bundle: Bundle, clip: Clip, *, remember: Sequence[LabelMap] | None = None) -> Track:
    """Segments a clip on the CPU.

    Args:
        bundle: At the precision to try.
        clip: The clip.
        remember: Label maps of frames 1 on to remember in place of the predicted ones.
    """
    segmenter = Segmenter(bundle, capacity=clip.capacity, gap=clip.gap, long_edge=clip.long_edge)
    labels, evicted = [segmenter.start(clip.frames[0], clip.label).label], []
    logits = [segmenter.logits().astype(np.float32)]
    for t, frame in enumerate(clip.frames[1:]):
        result = segmenter.step(frame, remember=remember[t] if remember else None)
        labels.append(result.label)
        logits.append(segmenter.logits().astype(np.float32))
        evicted += [update.evicted for update in result.memory if update.evicted is not None]
    segmenter.close()
    return Track(labels, logits, evicted)


def compare(reference: Track, bundle: Bundle, clip: Clip) -> Comparison:
    """Measures a bundle at another precision against a float32 run over the same clip.

    Args:
        reference: `track` of the float32 bundle, on its own label maps.
        bundle: At the precision to measure.
        clip: The clip.
    """
    forced = track(bundle, clip, remember=reference.labels[1:])
    free = track(bundle, clip)
    channels = len(object_ids(clip.label)) + 1
    gaps = [
        float(np.abs(ours - theirs)[0, :channels].mean())
        for ours, theirs in zip(forced.logits, reference.logits, strict=True)
    ]
    equal = [
        float(np.mean(ours == theirs))
        for ours, theirs in zip(free.labels[1:], reference.labels[1:], strict=True)
    ]
    return Comparison(
        clip=clip.name,
        frames=len(clip.frames),
        objects=len(object_ids(clip.label)),
        logit_difference=float(np.mean(gaps)),
        pixel_agreement=float(np.mean(equal)),
        evictions=len(reference.evicted),
        same_evictions=free.evicted == reference.evicted,
    )
