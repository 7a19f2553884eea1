"""Lets memory run out at one allocation after another, and prints as JSON what came of it."""

from __future__ import annotations

import gc
import json
import sys
from pathlib import Path

import cv2

from ermu.errors import BackendError
from ermu.runtime.images.labels import read_label_map
from ermu.runtime.segmenter import Segmenter
from tests.emulated_gpu.counters import fail_allocation, held


def attempt(bundle: str, clip: Path, backend: str, number: int) -> str | None:
    """The message of a run for which there is no memory from an allocation on; None where there is enough."""
    frames = [cv2.imread(str(file)) for file in sorted((clip / "frames").iterdir())]
    fail_allocation(number)
    try:
        with Segmenter(bundle, capacity=3, gap=1, device="cuda", backend=backend) as segmenter:
            segmenter.start(frames[0], read_label_map(clip / "prompt.png"))
            for frame in frames[1:5]:
                segmenter.step(frame)
    except BackendError as error:
        return error.problem
    finally:
        fail_allocation(0)
    return None


def main(bundle: str, clip: Path, backend: str, step: int) -> None:
    """Every `step`-th allocation from the first on, until there is one more than a run needs."""
    messages: list[str] = []
    while (message := attempt(bundle, clip, backend, 1 + step * len(messages))) is not None:
        messages.append(message)
        gc.collect()
        if any(held().values()):
            sys.exit(f"allocation {1 + step * len(messages)} left behind: {held()} ({message})")
    print(json.dumps(messages))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), sys.argv[3], int(sys.argv[4]))
