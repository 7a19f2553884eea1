"""Prints as JSON what each frame of a video cost the emulated GPU that decoded it.

After the paths and the backend comes where pictures are wanted: `cuda` leaves them there.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np

from ermu.runtime.images.labels import read_label_map
from ermu.runtime.segmenter import Segmenter
from ermu.runtime.sources.opening import open_source
from tests.emulated_gpu.counters import counted, counts, held


def main(bundle: str, clip: Path, backend: str, wanted: str, saved: Path) -> None:
    """Follows the prompt's objects through the video."""
    frames, labels = [], []
    prompt = read_label_map(clip.with_name("prompt.png"))
    source = open_source(str(clip))
    source.decode_on("cuda")
    source.leave_on(wanted)
    with source, Segmenter(bundle, capacity=3, gap=2, device="cuda", backend=backend) as segmenter:
        for frame in source:
            picture, begins = frame.for_device(segmenter.backend.device), frame.index == 0
            with counted() as grown:
                result = segmenter.start(picture, prompt) if begins else segmenter.step(picture)
            labels.append(result.label)
            if not begins:
                scored = any(update.decision.scores is not None for update in result.memory)
                frames.append({**grown, "scored": int(scored)})
        with counted() as brought:
            pictures = [frame.image, frame.image]
        decoded = counts("pictures")["pictures"]
        np.savez(saved, labels=np.stack(labels), picture=pictures[1])
        del frame, picture, result
    left = {**held(), **counts("decoders")}
    print(json.dumps({"decoded": decoded, "frames": frames, "brought": brought, "held": left}))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), sys.argv[3], sys.argv[4], Path(sys.argv[5]))
