"""Prints as JSON what each frame of a clip cost the emulated GPU, scored frames and others apart."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import cv2

from ermu.runtime.images.labels import read_label_map
from ermu.runtime.segmenter import Segmenter
from tests.emulated_gpu.counters import counted, held


def main(bundle: str, clip: Path, backend: str, warm_up: int) -> None:
    """Runs the clip again and again; the frames after `warm_up` are counted."""
    frames = [cv2.imread(str(file)) for file in sorted((clip / "frames").iterdir())]
    found: dict[str, list[dict[str, int]]] = {"plain": [], "scored": []}
    with Segmenter(bundle, capacity=4, gap=2, device="cuda", backend=backend) as segmenter:
        segmenter.start(frames[0], read_label_map(clip / "prompt.png"))
        for i in range(1, warm_up + 6):
            with counted() as grown:
                result = segmenter.step(frames[i % len(frames)])
            if i >= warm_up:
                scored = any(update.decision.scores is not None for update in result.memory)
                found["scored" if scored else "plain"].append(grown)
        del result
    print(json.dumps({**found, "held": held()}))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), sys.argv[3], int(sys.argv[4]))
