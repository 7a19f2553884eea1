"""TensorRT on a GPU: parity with the golden clip, nothing of the bank on the host, latency, no growth."""

from __future__ import annotations

import json
import os
from pathlib import Path
from time import perf_counter

import numpy as np
import pytest

from ermu.runtime.backends.base import Backend
from ermu.runtime.backends.loading import open_backend
from ermu.runtime.bundle.bundle import Bundle
from ermu.runtime.segmenter import Segmenter
from tests.support.golden_data import GoldenClip, load_golden
from tests.support.golden_run import compare

pytestmark = pytest.mark.gpu
LARGE = [pytest.param(name, marks=pytest.mark.chip) for name in ("r50_aotl", "r50_deaotl")]
NETWORKS = [*LARGE, "aott"]
STEPS = int(os.environ.get("ERMU_GPU_STEPS", "10000"))
SLACK_BYTES = 4096  # scoring vectors: a few numbers a memory frame


def _segmenter(at: Bundle, clip: GoldenClip, backend: Backend) -> Segmenter:
    options = {"capacity": clip.capacity, "gap": clip.gap, "long_edge": clip.long_edge}
    return Segmenter(at, **options, backend=backend)


@pytest.mark.parametrize("name", NETWORKS)
def test_follows_the_golden_clip_in_float32(name, tensorrt_module, with_engines):
    clip, at = load_golden(name), with_engines(name, tensorrt_module)
    with open_backend(at, backend=tensorrt_module, device="cuda") as backend:
        found = compare(_segmenter(at, clip, backend), clip, golden_masks=True)
        assert found.logits < 5e-2  # TF32 is TensorRT's own choice in float32 convolutions
        assert found.same_memory
        free = compare(_segmenter(at, clip, backend), clip, golden_masks=False)
        assert free.equal_pixels >= 0.99


@pytest.mark.chip
@pytest.mark.parametrize("name", NETWORKS)
def test_follows_the_golden_clip_in_float16(name, tensorrt_module, with_engines):
    clip, at = load_golden(name), with_engines(name, tensorrt_module, "fp16")
    with open_backend(at, backend=tensorrt_module, device="cuda") as backend:
        found = compare(_segmenter(at, clip, backend), clip, golden_masks=False)
    assert found.equal_pixels >= 0.99
    assert found.same_memory


def test_the_bank_never_leaves_the_device(tensorrt_module, with_engines):
    clip, at = load_golden("aott"), with_engines("aott", tensorrt_module)
    with open_backend(at, backend=tensorrt_module, device="cuda") as backend:
        segmenter = _segmenter(at, clip, backend)
        segmenter.start(clip.frames[0], clip.label)
        for frame in clip.frames[1:]:
            before = backend.device.downloaded_bytes
            segmenter.step(frame)
            assert backend.device.downloaded_bytes - before <= clip.label.nbytes + SLACK_BYTES


def test_closing_frees_what_was_allocated(tensorrt_module, with_engines):
    backend = open_backend(with_engines("aott", tensorrt_module), backend=tensorrt_module, device="cuda")
    backend.device.empty((1 << 20,), np.uint8)
    kept = backend.device.empty((1 << 20,), np.uint8)
    assert backend.device.live_bytes >= kept.nbytes
    backend.close()
    assert backend.device.live_bytes == 0


@pytest.mark.chip
def test_steady_state_latency_and_no_growth(tensorrt_module, with_engines):
    """Runs STEPS frames and writes percentiles to benchmarks/results/gpu-latency-<tensorrt_module>.json."""
    clip, at = load_golden("r50_aotl"), with_engines("r50_aotl", tensorrt_module, "fp16")
    with open_backend(at, backend=tensorrt_module, device="cuda") as backend:
        segmenter = _segmenter(at, clip, backend)
        segmenter.start(clip.frames[0], clip.label)
        times, live = [], 0
        for step in range(STEPS):
            began = perf_counter()
            segmenter.step(clip.frames[1 + step % (len(clip.frames) - 1)])
            times.append(1e3 * (perf_counter() - began))
            if step == min(200, STEPS // 2):
                live = backend.device.live_bytes
        assert backend.device.live_bytes == live
    _record(tensorrt_module, np.array(times[len(times) // 10 :]))


def _record(tensorrt_module: str, times_ms: np.ndarray) -> None:
    from ermu.devices.cuda import device_description

    percentiles = {f"p{q}": round(float(np.percentile(times_ms, q)), 3) for q in (50, 90, 99)}
    out = Path(__file__).parents[4] / "benchmarks" / "results" / f"gpu-latency-{tensorrt_module}.json"
    out.parent.mkdir(parents=True, exist_ok=True)
    record = {
        "what": "ms a step, r50_aotl fp16, golden clip",
        "steps": STEPS,
        **percentiles,
        **device_description(),
    }
    out.write_text(json.dumps(record, indent=1) + "\n")
