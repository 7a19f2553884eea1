"""Saves a session on a GPU, goes on from it there and on the CPU: prints as JSON what agrees."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import numpy as np

from ermu.runtime.images.labels import read_label_map
from ermu.runtime.segmenter import Segmenter
from ermu.runtime.session.session import Session

FRAMES, SAVED_AT = 12, 6


def main(bundle: str, clip: Path, backend: str) -> None:
    """One run that never stops, and two that go on from its session: here, and on the CPU."""
    frames = [cv2.imread(str(file)) for file in sorted((clip / "frames").iterdir())][:FRAMES]
    options = dict(capacity=3, gap=1)
    with (
        Segmenter(bundle, device="cuda", backend=backend, **options) as unbroken,
        TemporaryDirectory() as folder,
    ):
        unbroken.start(frames[0], read_label_map(clip / "prompt.png"))
        for frame in frames[1:SAVED_AT]:
            unbroken.step(frame)
        path = Path(folder, "s.ermu")
        unbroken.save(path)
        with (
            Segmenter(unbroken.bundle, backend=unbroken.backend) as resumed,
            Segmenter.restore(bundle, path, backend="onnxruntime", plan="whole") as on_cpu,
        ):
            resumed.resume(Session.read(path))
            same, agree = [], []
            for frame in frames[SAVED_AT:]:
                expected = unbroken.step(frame)
                found = resumed.step(frame)
                same.append(found.memory_frames == expected.memory_frames)
                same.append(np.array_equal(resumed.logits(), unbroken.logits()))
                agree.append(float(np.mean(on_cpu.step(frame).label == expected.label)))
    print(json.dumps({"same": same, "agree": agree}))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), sys.argv[3])
