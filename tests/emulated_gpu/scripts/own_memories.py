"""Follows objects with memories of their own on a GPU and on the CPU: prints as JSON how they differ."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np

from ermu.export.engines.building import build_engines
from ermu.runtime.bundle.bundle import Bundle
from ermu.runtime.images.prompter import Box, Point
from ermu.runtime.segmenter import Segmenter
from tests.runtime.conftest import boxes
from tests.support.toy.bundle import write_toy
from tests.support.toy.truth import noise

FRAMES = 24
LABEL = boxes(64, 64, id3=(4, 8, 28, 24), id7=(36, 40, 60, 60))
Followed = tuple[np.ndarray, np.ndarray, list[list[int]]]  # logits, label map, memory frames


def main(folder: Path, backend: str) -> None:
    """Objects come by label and by click, are corrected, labelled again, undone, and go."""
    bundle, frames = write_toy(folder / "bundle"), noise(FRAMES)
    if backend == "tensorrt":
        build_engines(bundle, module=backend)
        bundle = Bundle.load(bundle.path)
    with (
        Segmenter(bundle, device="cuda", backend=backend) as on_gpu,
        Segmenter(bundle, backend="onnxruntime") as on_cpu,
    ):
        runs = [_run(segmenter, frames) for segmenter in (on_gpu, on_cpu)]
        launches = on_gpu.backend.device.launches
    differ = [float(np.abs(a - b).max()) for (a, _, _), (b, _, _) in zip(*runs, strict=True)]
    same = [
        held == other and np.array_equal(label, theirs)
        for (_, label, held), (_, theirs, other) in zip(*runs, strict=True)
    ]
    print(json.dumps({"differ": differ, "same": same, "launches": launches}))


def _run(segmenter: Segmenter, frames: list[np.ndarray]) -> list[Followed]:
    segmenter.start(frames[0], LABEL)
    found = []
    for number, frame in enumerate(frames[1:], start=1):
        result = segmenter.step(frame, remember=LABEL if number == 9 else None)
        memory = result.memory
        if number == 4:
            memory = segmenter.add_object_at(9, Box(8, 4, 30, 21)).result.memory
        if number == 6:
            memory = segmenter.refine(3, LABEL == 7).memory
        if number == 8:
            memory = segmenter.undo(3).memory
        if number == 11:
            memory = segmenter.refine_at(7, [Point(50, 50)]).result.memory
        if number == 13:
            segmenter.remove_objects([3])
        used = 1 + len(segmenter.ids)
        held = [update.frames for update in memory]
        found.append((segmenter.logits()[0, :used], result.label, held))
    return found


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
