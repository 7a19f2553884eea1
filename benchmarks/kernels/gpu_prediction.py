"""What the CUDA kernels should take on two GPUs: by stated peaks and the compiler's report, not measured."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ermu.benchmarks.kernels.shapes import HEADS, SLOTS, TOKENS, Heads
from ermu.kernels.cuda import build as cuda_build


@dataclass(frozen=True)
class Gpu:
    """Published peaks of a GPU; dp4a runs at half the rate of FMA, each doing four products."""

    name: str
    fp32_tflops: float
    gigabytes_per_second: float
    processors: int
    threads_per_processor: int
    shared_per_processor: int
    architecture: int

    @property
    def hertz(self) -> float:
        """The clock that the fp32 peak implies: 128 FMA a processor."""
        return self.fp32_tflops * 1e12 / (2 * 128 * self.processors)


GPUS = (
    Gpu("H100 SXM", 66.9, 3350.0, 132, 2048, 228 * 1024, 90),
    Gpu("RTX 4090", 82.6, 1008.0, 128, 1536, 100 * 1024, 89),
)
REGISTERS = 65536  # of a processor
REACHABLE = 0.7  # share of the multipliers that 3 loads for 32 products leave busy
LAUNCH_MICROSECONDS = 5.0


def occupancy(gpu: Gpu, used: cuda_build.Resources, threads: int = 128) -> float:
    """Share of a processor's threads that registers and shared memory let stand."""
    by_registers = REGISTERS // (-(-used.registers // 8) * 8 * threads)
    by_shared = gpu.shared_per_processor // (used.shared_bytes + 1024)
    return (
        min(by_registers, by_shared, gpu.threads_per_processor // threads)
        * threads
        / gpu.threads_per_processor
    )


def predict(gpu: Gpu, heads: Heads, kind: str, used: cuda_build.Resources) -> dict[str, Any]:
    """Microseconds of a full scoring in fp16: products, 16 exponentials a clock, uneven shares, a launch."""
    peak = gpu.fp32_tflops * 1e12 * (1 if kind == "sums" else 2)
    seconds = heads.products / (peak * REACHABLE) + heads.exponentials / (gpu.processors * 16 * gpu.hertz)
    blocks = -(-TOKENS // 64) * heads.heads * SLOTS
    share = blocks / gpu.processors
    seconds = max(
        seconds * -(-blocks // gpu.processors) / share, heads.bytes_once(2) / gpu.gigabytes_per_second / 1e9
    )
    return {
        "gpu": gpu.name,
        "network": heads.network,
        "kernel": used.kernel,
        "predicted_microseconds": 1e6 * seconds + LAUNCH_MICROSECONDS,
        "gflop": heads.products / 1e9,
        "megabytes": heads.bytes_once(2) / 1e6,
        "occupancy": occupancy(gpu, used),
        "registers": used.registers,
        "shared_bytes": used.shared_bytes,
        "blocks": blocks,
        "blocks_per_processor": share,
    }


def predictions() -> list[dict[str, Any]]:
    """Every prediction; empty where there is no nvcc to report resources."""
    if cuda_build.nvcc() is None:
        return []
    with tempfile.TemporaryDirectory() as folder:
        architectures = tuple(gpu.architecture for gpu in GPUS)
        report = cuda_build.compile_fatbin(Path(folder) / "ermu.fatbin", architectures)
    found = {(r.kernel, r.architecture): r for r in cuda_build.parse_resources(report)}
    return [
        predict(gpu, heads, kind, found[f"slot_{kind}_f16_d{heads.head_channels}", gpu.architecture])
        for gpu in GPUS
        for heads in HEADS
        for kind in ("sums", "codes")
    ]
