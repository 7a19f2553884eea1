"""What a correction is worth: an object that has drifted onto its double, corrected, and followed further.

    python -m ermu.evaluation.refinement [--seeds 0 60] [--hint mask|box|clicks] [--late 0]

In a procedural clip a fourth thing looks like the first object. For some frames the memory is told that the
object is its double, and where the network goes on with that by itself, the object is corrected: once with
the memory frames that are wrong left in, once as `Segmenter.refine` does. Prints J of the object, and of its
two neighbours that share the memory, over the frames that follow.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, replace
from unittest.mock import patch

import cv2
import numpy as np

from ermu.evaluation.metrics import region_similarities
from ermu.runtime.backends.base import Backend
from ermu.runtime.backends.loading import open_backend
from ermu.runtime.bundle.bundle import Bundle
from ermu.runtime.images.prompter import Box, GrabCutPrompter, Point
from ermu.runtime.memory.correction import Witnesses
from ermu.runtime.results import FrameResult
from ermu.runtime.segmenter import Segmenter
from ermu.scenes.config import SceneConfig
from ermu.scenes.scene import Scene
from ermu.types import Image, LabelMap, Mask

WRONG_FROM, WRONG_FOR, CORRECTED_AT, FOLLOWED_FOR = 24, 6, 36, 24  # frames
FOLLOWED, DOUBLE = (1, 2, 3), 4
SMALLEST = 250  # pixels of the object and of its double where it is corrected
WAYS = ("left alone", "wrong frames kept", "corrected")
Clip = list[tuple[Image, LabelMap]]


@dataclass(frozen=True)
class Outcome:
    """J after the correction, mean over the frames: of the object, and of its neighbours."""

    object: float
    neighbours: float


def clip_with_a_double(seed: int) -> Clip:
    """A clip of four objects, of which the last looks and bends as the first does, on a way of its own."""
    config = SceneConfig(
        seed=seed, size_hw=(144, 240), frames=CORRECTED_AT + FOLLOWED_FOR + 1, objects=DOUBLE,
        distractors=0, occluders=0, split="validation",
    )  # fmt: skip
    scene = Scene(config)
    first = next(actor for actor in scene._actors if actor.ident == FOLLOWED[0])
    scene._actors = tuple(
        replace(actor, parts=first.parts, ripple=first.ripple) if actor.ident == DOUBLE else actor
        for actor in scene._actors
    )
    return list(scene)


def outcome(
    bundle: Bundle, backend: Backend, clip: Clip, way: str, *, hint: str = "mask", late: int = 0
) -> Outcome | None:
    """Follows a clip with a double; None where the object does not drift by itself.

    Args:
        bundle: Of the network.
        backend: Open, of that bundle.
        clip: As `clip_with_a_double` gives it.
        way: One of `WAYS`.
        hint: `mask`, the true one; `box` around it; or `clicks`, one inside it and one inside what it is not.
        late: Frames between the one that is drawn on and the one that is on show.
    """
    segmenter = Segmenter(bundle, backend=backend, long_edge=240, gap=2)
    results = _drifted(segmenter, clip)
    truth, found = clip[CORRECTED_AT][1], results[-1].label
    drift = region_similarities((truth == DOUBLE).astype(np.uint8), (found == 1).astype(np.uint8), 1)[0]
    if drift < 0.4 or min((truth == 1).sum(), (truth == DOUBLE).sum()) < SMALLEST:
        return None
    if way != "left alone":
        _correct(segmenter, clip, results, way, hint, late)
    following = range(CORRECTED_AT + 1, len(clip))
    scores = [
        region_similarities(_only(clip[t][1]), segmenter.step(clip[t][0]).label, len(FOLLOWED))
        for t in following
    ]
    shown = [scores[i][0] for i, t in enumerate(following) if (clip[t][1] == 1).sum() > SMALLEST // 2]
    return Outcome(float(np.mean(shown)), float(np.mean(scores, axis=0)[1:].mean()))


def _drifted(segmenter: Segmenter, clip: Clip) -> list[FrameResult]:
    """Every frame's result until the correction; for some, the object is remembered as its double."""
    results = [segmenter.start(clip[0][0], _only(clip[0][1]))]
    for t in range(1, CORRECTED_AT + 1):
        told = None
        if WRONG_FROM <= t < WRONG_FROM + WRONG_FOR:
            others = np.where(clip[t][1] == 1, 0, _only(clip[t][1]))
            told = np.where(clip[t][1] == DOUBLE, 1, others).astype(np.uint8)
        results.append(segmenter.step(clip[t][0], remember=told))
    return results


def _correct(
    segmenter: Segmenter, clip: Clip, results: list[FrameResult], way: str, hint: str, late: int
) -> None:
    image, truth = clip[CORRECTED_AT - late]
    result = results[-1 - late]
    mask = _drawn(image, truth == 1, result.label == 1, hint)
    past = (image, result) if late else (None, None)
    if way == "corrected":
        segmenter.refine(1, mask, frame=past[0], result=past[1])
        return
    with patch.object(Witnesses, "wrong", return_value=set()):
        segmenter.refine(1, mask, frame=past[0], result=past[1])


def _drawn(image: Image, truth: Mask, found: Mask, hint: str) -> Mask:
    if hint == "mask":
        return truth
    ys, xs = np.nonzero(truth)
    if hint == "box":
        box = Box(float(xs.min()) - 2, float(ys.min()) - 2, float(xs.max()) + 3, float(ys.max()) + 3)
        return GrabCutPrompter().from_box(image, box)
    clicks = [_inside(truth, positive=True)]
    if (found & ~truth).any():
        clicks.append(_inside(found & ~truth, positive=False))
    return GrabCutPrompter().corrected(image, found, clicks)


def _inside(mask: Mask, *, positive: bool) -> Point:
    """A click as far inside a mask as can be."""
    depth = cv2.distanceTransform(np.pad(mask, 1).astype(np.uint8), cv2.DIST_L2, 5)[1:-1, 1:-1]
    y, x = np.unravel_index(int(depth.argmax()), depth.shape)
    return Point(float(x), float(y), positive)


def _only(label: LabelMap) -> LabelMap:
    followed: LabelMap = np.where(label <= len(FOLLOWED), label, 0).astype(np.uint8)
    return followed


def main() -> None:
    """Prints a line a clip and the means."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs=2, default=(0, 60))
    parser.add_argument("--hint", choices=("mask", "box", "clicks"), default="mask")
    parser.add_argument("--late", type=int, default=0)
    options = parser.parse_args()
    bundle = Bundle.load("demo")
    backend = open_backend(bundle, threads=1)
    found: list[list[Outcome]] = []
    for seed in range(*options.seeds):
        clip, row = clip_with_a_double(seed), []
        for way in WAYS:
            after = outcome(bundle, backend, clip, way, hint=options.hint, late=options.late)
            if after is None:
                break
            row.append(after)
        else:
            found.append(row)
            shown = "  ".join(f"{each.object:.3f} {each.neighbours:.3f}" for each in row)
            print(f"seed {seed:2d}   {shown}", flush=True)
    for way, each in zip(WAYS, zip(*found, strict=True), strict=True):
        of_object, of_neighbours = (np.mean([getattr(o, n) for o in each]) for n in ("object", "neighbours"))
        print(f"{way:>18}: J {of_object:.3f}, neighbours {of_neighbours:.3f}, {len(each)} clips")


if __name__ == "__main__":
    main()
