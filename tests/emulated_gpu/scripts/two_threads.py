"""Two streams in two threads, each with a device of its own: writes both streams' label maps to a file."""

from __future__ import annotations

import sys
from pathlib import Path
from threading import Thread

import cv2
import numpy as np

from ermu.runtime.images.labels import read_label_map
from ermu.runtime.segmenter import Segmenter
from tests.emulated_gpu.counters import held


def main(bundle: str, clip: Path, out: Path) -> None:
    """Both at once; the threads end with nothing of the device's on their stacks."""
    frames = [cv2.imread(str(file)) for file in sorted((clip / "frames").iterdir())]
    prompt, labels = read_label_map(clip / "prompt.png"), dict[str, np.ndarray]()

    def follow(name: str) -> None:
        with Segmenter(bundle, capacity=4, gap=2, device="cuda", backend="tensorrt") as segmenter:
            segmenter.start(frames[0], prompt)
            labels[name] = np.stack([segmenter.step(frame).label for frame in frames[1:]])

    threads = [Thread(target=follow, args=(name,)) for name in ("first", "second")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    np.savez(out, **labels)
    if any(held().values()):
        sys.exit(f"left behind: {held()}")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
