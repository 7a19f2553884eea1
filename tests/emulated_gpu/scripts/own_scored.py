"""Scores memory frames of single objects on a GPU and on the CPU: prints as JSON how they differ."""

from __future__ import annotations

import json
import sys

import numpy as np

from ermu.runtime.segmenter import Segmenter
from tests.runtime.conftest import boxes

LABEL = boxes(128, 128, id1=(20, 30, 60, 70), id2=(70, 60, 120, 110))


def main(bundle: str) -> None:
    """Twelve frames of noise: five on which one leaves."""
    frames = np.random.default_rng(0).integers(0, 256, (12, 128, 128, 3), np.uint8)
    runs = []
    for device in ("cuda", "cpu"):
        with Segmenter(bundle, device=device, backend="onnxruntime", policy="ermu") as segmenter:
            segmenter.start(frames[0], LABEL)
            runs.append([each for frame in frames[1:] for each in segmenter.step(frame).memory])
    pairs = list(zip(*runs, strict=True))
    scored = [(a.decision, b.decision) for a, b in pairs if b.decision.scores is not None]
    differ = [float(np.abs(a.scores - b.scores).max()) for a, b in scored]
    print(json.dumps({"differ": differ, "same": [a.frames == b.frames for a, b in pairs]}))


if __name__ == "__main__":
    main(sys.argv[1])
