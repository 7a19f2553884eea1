"""Four streams in four threads, two a backend, each with a device of its own and objects that come and go."""

from __future__ import annotations

import sys
from pathlib import Path
from threading import Thread

import cv2
import numpy as np

from ermu.runtime.images.labels import read_label_map
from ermu.runtime.segmenter import Segmenter
from tests.emulated_gpu.counters import held

NAMES = [f"{backend}-{number}" for backend in ("tensorrt", "onnxruntime") for number in (1, 2)]
LATER = 5  # frames after the first: from there on these objects are there too
GONE = 9  # and from there on the first object is not


def follow(segmenter: Segmenter, frames: list[np.ndarray], prompt: np.ndarray) -> np.ndarray:
    """The label maps of a stream whose last object comes later, and whose first object leaves."""
    last = prompt.max()
    segmenter.start(frames[0], np.where(prompt == last, 0, prompt).astype(np.uint8))
    labels = []
    for i, frame in enumerate(frames[1:], start=1):
        labels.append(segmenter.step(frame).label)
        if i == LATER:
            segmenter.add_objects(np.where(prompt == last, last, 0).astype(np.uint8))
        if i == GONE:
            segmenter.remove_objects([1])
    return np.stack(labels)


def read(clip: Path) -> tuple[list[np.ndarray], np.ndarray]:
    """Frames and prompt of a clip."""
    frames = [cv2.imread(str(file)) for file in sorted((clip / "frames").iterdir())]
    return frames, read_label_map(clip / "prompt.png")


def main(bundle: str, clip: Path, out: Path) -> None:
    """All at once, label maps to a file; the threads end with nothing of the device's on their stacks."""
    frames, prompt = read(clip)
    labels = dict[str, np.ndarray]()

    def work(name: str) -> None:
        backend = name.partition("-")[0]
        with Segmenter(bundle, capacity=3, gap=2, device="cuda", backend=backend) as segmenter:
            labels[name] = follow(segmenter, frames, prompt)

    threads = [Thread(target=work, args=(name,)) for name in NAMES]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    np.savez(out, **labels)
    if any(held().values()):
        sys.exit(f"left behind: {held()}")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
