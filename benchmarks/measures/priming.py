"""How well a session finds its objects again in another clip, without a mask.

    python -m ermu.benchmarks.measures.priming [--bundle demo] [--clips 12] [--frames 30] [--out FILE.json]

Each clip's objects are followed from a mask for the first half; the second half is another clip with the same
objects, before another backdrop, in other places and motions. J is its mean over objects and frames there.
"""

from __future__ import annotations

import argparse
import json
import platform
from collections.abc import Callable
from pathlib import Path

import numpy as np

from ermu.benchmarks.measures.similarity import jaccard
from ermu.runtime.segmenter import Segmenter
from ermu.scenes.config import SceneConfig
from ermu.scenes.scene import Scene
from ermu.types import Image, LabelMap

SIZE = (240, 416)
Clip = list[tuple[Image, LabelMap]]


def clips(seed: int, frames: int) -> tuple[Clip, Clip]:
    """A clip, and another one of the same objects; one object in every second, two in the others."""
    objects = 1 + seed % 2
    halves = [
        Scene(SceneConfig(seed=part + seed, size_hw=SIZE, frames=frames, objects=objects, split="validation"))
        for part in (5000, 6000)
    ]
    return list(halves[0]), list(halves[1].with_objects_of(halves[0]))


def followed(first: Callable[[Image, LabelMap], LabelMap], segmenter: Segmenter, clip: Clip) -> float:
    """Mean J over a clip, whose first frame `first` segments; that frame does not count."""
    first(*clip[0])
    found = [(segmenter.step(image).label, truth) for image, truth in clip[1:]]
    return float(np.mean([j for label, truth in found for j in jaccard(label, truth)]))


def measured(bundle: str, seed: int, frames: int, threads: int | None) -> dict[str, float]:
    """J in the second half: with the session, with its short memory kept as well, and with a mask."""
    one, other = clips(seed, frames)
    with Segmenter(bundle, threads=threads) as segmenter:
        segmenter.start(*one[0])
        for image, _ in one[1:]:
            segmenter.step(image)
        session = segmenter.session()

        def cut(image: Image, truth: LabelMap) -> LabelMap:
            segmenter.resume(session)
            return segmenter.step(image).label

        ways: dict[str, Callable[[Image, LabelMap], LabelMap]] = {
            "primed": lambda image, truth: segmenter.prime(session, image).label,
            "gone on over the cut": cut,
            "given a mask": lambda image, truth: segmenter.start(image, truth).label,
        }
        return {way: followed(first, segmenter, other) for way, first in ways.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--bundle", default="demo")
    parser.add_argument("--clips", type=int, default=12)
    parser.add_argument("--frames", type=int, default=30, help="of each half")
    parser.add_argument("--threads", type=int, default=None)
    parser.add_argument("--out", type=Path, default=None)
    options = parser.parse_args()
    rows = []
    for seed in range(options.clips):
        rows.append(measured(options.bundle, seed, options.frames, options.threads))
        print(seed, {way: round(j, 3) for way, j in rows[-1].items()}, flush=True)
    means = {way: round(float(np.mean([row[way] for row in rows])), 4) for way in rows[0]}
    figures = {
        "bundle": options.bundle,
        "frames": options.frames,
        "without a session or a mask": 0.0,
        **means,
    }
    figures |= {"clips": rows, "machine": f"{platform.machine()}, Python {platform.python_version()}"}
    print(json.dumps(means))
    if options.out:
        options.out.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
