"""Asks a prompter on a GPU three times: prints as JSON what failed, and how far its masks are the CPU's."""

from __future__ import annotations

import json
import sys
from contextlib import closing

import numpy as np

from ermu.errors import BackendError
from ermu.runtime.images.prompter import Point
from ermu.runtime.streams.network_prompter import NetworkPrompter
from ermu.runtime.streams.work.recovery import Recovery

SIZE, CLICKS = (96, 128), [Point(60.0, 40.0), Point(10.0, 80.0, positive=False)]


def main(bundle: str) -> None:
    """Masks of the same clicks, on one frame."""
    frame = np.random.default_rng(5).integers(0, 256, (*SIZE, 3), np.uint8)
    with closing(NetworkPrompter(bundle, threads=1)) as on_cpu:
        expected = on_cpu.from_points(frame, CLICKS)
    recovery, said, masks = Recovery(), "", []
    with closing(
        NetworkPrompter(bundle, device="cuda", backend="onnxruntime", recovery=recovery)
    ) as prompter:
        for _ in range(3):
            try:
                masks.append(prompter.from_points(frame, CLICKS))
            except BackendError as error:
                said = error.problem
    agree = [float(np.mean(mask == expected)) for mask in masks]
    print(json.dumps({"said": said, "resets": recovery.resets, "agree": agree}))


if __name__ == "__main__":
    main(sys.argv[1])
