"""Asks a prompter on a GPU before and after the device is reset: prints what of its masks are the CPU's."""

from __future__ import annotations

import json
import sys
from contextlib import closing

import numpy as np

from ermu.runtime.images.prompter import Point
from ermu.runtime.streams.network_prompter import NetworkPrompter
from ermu.runtime.streams.work.recovery import Recovery

SIZE, CLICKS = (96, 128), [Point(60.0, 40.0), Point(10.0, 80.0, positive=False)]


def main(bundle: str) -> None:
    """Masks of the same clicks, on one frame."""
    frame = np.random.default_rng(5).integers(0, 256, (*SIZE, 3), np.uint8)
    with closing(NetworkPrompter(bundle, threads=1)) as on_cpu:
        expected = on_cpu.from_points(frame, CLICKS)
    recovery = Recovery()
    with closing(NetworkPrompter(bundle, device="cuda", backend="onnxruntime")) as prompter:
        recovery.join(prompter)
        masks = [prompter.from_points(frame, CLICKS)]
        with recovery.turn():
            resets = recovery.recover(recovery.resets)
        masks.append(prompter.from_points(frame, CLICKS))
    agree = [float(np.mean(mask == expected)) for mask in masks]
    print(json.dumps({"reset": resets, "agree": agree}))


if __name__ == "__main__":
    main(sys.argv[1])
