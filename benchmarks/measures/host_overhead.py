"""What the host itself does for a steady frame: graphs and kernels stubbed out, everything around them real.

    python -m ermu.benchmarks.measures.host_overhead --device cpu
    python -m ermu.benchmarks.measures.host_overhead --device cuda --backend tensorrt --bundle WITH_ENGINES

On a GPU the copies of frame and label map are real, and what is launched does nothing. On the emulated one,
where the processor would make them, EMULATED_IDLE=1 leaves the copies out as well.
"""

from __future__ import annotations

import argparse
import json
from contextlib import ExitStack
from dataclasses import replace
from statistics import median
from time import perf_counter, thread_time
from typing import Any
from unittest.mock import patch

import numpy as np

from ermu.assets import DEMO_BUNDLE
from ermu.runtime.backends.base import Backend
from ermu.runtime.backends.engine import Engine
from ermu.runtime.backends.loading import open_backend
from ermu.runtime.bundle.bundle import Bundle
from ermu.runtime.segmenter import Segmenter

NEVER = 1 << 30  # a gap that no run reaches


class Idle:
    """Has every method, and does nothing."""

    def __getattr__(self, name: str) -> Any:
        return lambda *arguments, **options: Idle()


def measure(
    backend: Backend, *, size: tuple[int, int], objects: int, frames: int, warm_up: int
) -> dict[str, float]:
    """Milliseconds of a steady frame.

    Args:
        backend: Open; its graphs and kernels do nothing from now on.
        size: Height and width of the frames.
        objects: To follow.
        frames: To measure.
        warm_up: Frames before.

    Returns:
        Medians of `processor`, of the calling thread, and `wall`; of the former also the `least`, which a
        busy machine disturbs less.
    """
    random = np.random.default_rng(0)
    images = [random.integers(0, 256, (*size, 3), np.uint8) for _ in range(4)]
    prompt = np.zeros(size, np.uint8)
    for i in range(objects):
        prompt[8 * i : 8 * i + 8, :64] = i + 1
    found: dict[str, list[float]] = {"processor": [], "wall": []}
    with ExitStack() as stubs:
        _stub(backend, stubs)
        segmenter = Segmenter(backend.bundle, backend=backend, gap=NEVER)
        segmenter.start(images[0], prompt)
        for i in range(warm_up + frames):
            began = thread_time(), perf_counter()
            segmenter.step(images[i % len(images)])
            for name, before, now in zip(found, began, (thread_time(), perf_counter()), strict=True):
                found[name].append(1e3 * (now - before))
        segmenter.close()
    timed = {name: values[warm_up:] for name, values in found.items()}
    medians = {name: round(median(values), 3) for name, values in timed.items()}
    return {**medians, "least": round(min(timed["processor"]), 3)}


def _stub(backend: Backend, stubs: ExitStack) -> None:
    """Makes graphs and kernels do nothing; what finds, binds and counts them stays."""
    for session in getattr(backend, "_sessions", {}).values():
        session.run_with_iobinding = lambda binding, options=None: None
    if backend.device.name == "cpu":
        idle: Any = Idle()
        backend.kernels = replace(
            backend.kernels, scoring=idle, pixels=idle, attention=idle, identity=lambda weight, bias: idle
        )
        return
    from ermu.devices.cuda import CapturedGraph, CudaDevice

    stubs.enter_context(patch.object(Engine, "_launch", lambda self, context: None))
    for owner, method in ((CudaDevice, "launch"), (CudaDevice, "copy"), (CapturedGraph, "launch")):
        stubs.enter_context(patch.object(owner, method, lambda *arguments: None))


def main() -> None:
    """Prints JSON: milliseconds by number of objects."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bundle", default=DEMO_BUNDLE)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--backend", default="onnxruntime")
    parser.add_argument("--size", default="720x1280", help="height x width of the frames")
    parser.add_argument("--objects", type=int, nargs="+", default=[1, 50])
    parser.add_argument("--frames", type=int, default=200)
    given = parser.parse_args()
    height, width = map(int, given.size.split("x"))
    found = {}
    for objects in given.objects:
        bundle = Bundle.load(given.bundle)
        with open_backend(bundle, backend=given.backend, device=given.device, threads=1) as backend:
            options = {"objects": objects, "frames": given.frames, "warm_up": 20}
            found[str(objects)] = measure(backend, size=(height, width), **options)
    print(json.dumps({"device": given.device, "backend": given.backend, "size": given.size, "ms": found}))


if __name__ == "__main__":
    main()
