"""Corrects objects on a GPU, late ones too, and undoes it: prints as JSON what agrees with whom."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import cv2
import numpy as np

from ermu.runtime.images.labels import read_label_map
from ermu.runtime.segmenter import Segmenter

FRAMES = 12


def main(bundle: str, clip: Path, backend: str) -> None:
    """A run that corrects, one that corrects and undoes, one that does neither, and the first on the CPU."""
    frames = [cv2.imread(str(file)) for file in sorted((clip / "frames").iterdir())][:FRAMES]
    label = read_label_map(clip / "prompt.png")
    options = dict(capacity=3, gap=1)
    with (
        Segmenter(bundle, device="cuda", backend=backend, **options) as refined,
        Segmenter(refined.bundle, backend=refined.backend, **options) as undone,
        Segmenter(refined.bundle, backend=refined.backend, **options) as never,
        Segmenter(bundle, backend="onnxruntime", plan="whole", **options) as on_cpu,
    ):
        followed = {"refined": refined, "undone": undone, "never": never, "on_cpu": on_cpu}
        found: dict[str, list[np.ndarray]] = {name: [] for name in followed}
        logits: dict[str, list[np.ndarray]] = {name: [] for name in followed}
        for name, segmenter in followed.items():
            results = [segmenter.start(frames[0], label)]
            for t in range(1, FRAMES):
                results.append(segmenter.step(frames[t]))
                shown = results[-1].label
                if t in (4, 8) and name != "never":
                    past = {} if t == 4 else {"frame": frames[6], "result": results[6]}
                    mask = np.roll(label == 2, (t % 5, t % 3), axis=(0, 1))
                    shown = segmenter.refine(2, mask, **past).label
                    if name == "undone":
                        shown = segmenter.undo(2).label
                found[name].append(shown)
                logits[name].append(segmenter.logits())
    same = [np.array_equal(a, b) for a, b in zip(logits["undone"], logits["never"], strict=True)]
    agree = [float(np.mean(a == b)) for a, b in zip(found["refined"], found["on_cpu"], strict=True)]
    differ = [not np.array_equal(a, b) for a, b in zip(logits["refined"], logits["never"], strict=True)]
    print(json.dumps({"undone": same, "agree": agree, "differ": differ[3:]}))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), sys.argv[3])
