"""What a precision changes: two runs over the same clip, side by side."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ermu.export.precision.clip import Clip
from ermu.runtime.bundle.built import Comparison
from ermu.runtime.bundle.bundle import Bundle
from ermu.runtime.bundle.object_manifest import ObjectManifest
from ermu.runtime.images.labels import object_ids
from ermu.types import Array, LabelMap, Mask


@dataclass(frozen=True)
class Track:
    """A run over a clip: label maps and logits of every frame, and the frames evicted, in order."""

    labels: list[LabelMap]
    logits: list[Array]
    evicted: list[int]


def track(
    bundle: Bundle,
    clip: Clip,
    *,
    remember: Sequence[LabelMap] | None = None,
    tell: Callable[[int, int], None] = lambda frame, frames: None,
) -> Track:
    """Segments a clip on the CPU.

    Args:
        bundle: At the precision to try.
        clip: The clip.
        remember: Label maps of frames 1 on to remember in place of the predicted ones.
        tell: Called with each frame's number, and with how many there are.
    """
    with clip.segmenter(bundle) as segmenter:
        labels, evicted = [segmenter.start(clip.frames[0], clip.label).label], []
        logits = [segmenter.logits().astype(np.float32)]
        for t, frame in enumerate(clip.frames[1:], start=1):
            tell(t, len(clip.frames))
            result = segmenter.step(frame, remember=remember[t - 1] if remember else None)
            labels.append(result.label)
            logits.append(segmenter.logits().astype(np.float32))
            evicted += [update.evicted for update in result.memory if update.evicted is not None]
    return Track(labels, logits, evicted)


def compare(
    reference: Track,
    bundle: Bundle,
    clip: Clip,
    *,
    tell: Callable[[int, int], None] = lambda frame, frames: None,
) -> Comparison:
    """Measures a bundle at another precision against a float32 run over the same clip.

    Args:
        reference: `track` of the float32 bundle, on its own label maps.
        bundle: At the precision to measure.
        clip: The clip.
        tell: As of `track`.
    """
    ids = object_ids(clip.label)
    free = forced = track(bundle, clip, tell=tell)
    if not isinstance(bundle.manifest, ObjectManifest):  # whose label maps, where given, are prompts
        forced = track(bundle, clip, remember=reference.labels[1:], tell=tell)
    channels = len(ids) + 1
    gaps = [
        float(np.abs(ours - theirs)[0, :channels].mean())
        for ours, theirs in zip(forced.logits, reference.logits, strict=True)
    ]
    equal = [
        float(np.mean(ours == theirs))
        for ours, theirs in zip(free.labels[1:], reference.labels[1:], strict=True)
    ]
    shares = [
        jaccard(ours == i, theirs == i)
        for ours, theirs in zip(free.labels[1:], reference.labels[1:], strict=True)
        for i in ids
    ]
    return Comparison(
        clip=clip.name,
        frames=len(clip.frames),
        objects=len(ids),
        logit_difference=float(np.mean(gaps)),
        jaccard=float(np.mean(shares)),
        pixel_agreement=float(np.mean(equal)),
        evictions=len(reference.evicted),
        same_evictions=free.evicted == reference.evicted,
    )


def jaccard(ours: Mask, theirs: Mask) -> float:
    """Intersection over union of two masks; 1 where both are empty."""
    union = np.count_nonzero(ours | theirs)
    return np.count_nonzero(ours & theirs) / union if union else 1.0
