"""Measures the kernels on this CPU, says how far they are from its limits, and predicts them on two GPUs.

    python benchmarks/kernels.py [--threads 2] [--repeats 30] [--output benchmarks/results/kernels.json]

Alternatives are interleaved in one process and medians compared, so that a busy machine slows all of them
alike. GPU figures are computed from FLOPs, bytes and the compiler's resource report: predicted, not measured.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.setdefault(variable, "2")

import numpy as np
import numpy.typing as npt

from ermu.kernels.cpu.kernels import CpuKernels
from ermu.kernels.cuda import build as cuda_build

TOKENS, SLOTS = 943, 9  # 353 x 641
FOREGROUND_SHARE = 0.15
EXP_FLOPS = 14  # of one exponential: range reduction, degree 5, scaling, and the sum


@dataclass(frozen=True)
class Heads:
    """How block 0 splits its key channels."""

    network: str
    heads: int
    head_channels: int

    @property
    def channels(self) -> int:
        """D."""
        return self.heads * self.head_channels

    @property
    def products(self) -> float:
        """FLOPs of all q . k."""
        return 2.0 * TOKENS * TOKENS * SLOTS * self.channels

    @property
    def exponentials(self) -> float:
        """How many exponentials the softmax takes."""
        return float(TOKENS * TOKENS * SLOTS * self.heads)

    def bytes_once(self, width: int) -> float:
        """Bytes of q, keys and masses, each moved once."""
        return width * TOKENS * self.channels * (1 + SLOTS) + 4.0 * TOKENS * SLOTS


HEADS = (Heads("AOT", 8, 32), Heads("DeAOT", 1, 128))


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


@dataclass(frozen=True)
class Tensors:
    """One scoring's inputs."""

    query: npt.NDArray[np.float32]
    keys: npt.NDArray[np.float32]
    rows: npt.NDArray[np.float32]
    foreground: npt.NDArray[np.float32]


def draw_tensors(heads: Heads) -> Tensors:
    """Normal tensors; 15% of the tokens carry foreground."""
    draw = np.random.default_rng(0)
    shape = (TOKENS, heads.channels)
    foreground = np.where(draw.random(TOKENS) < FOREGROUND_SHARE, draw.random(TOKENS), 0.0)
    return Tensors(
        draw.normal(size=shape).astype(np.float32),
        draw.normal(size=(SLOTS, *shape)).astype(np.float32),
        np.zeros((SLOTS, heads.channels), dtype=np.float32),
        foreground.astype(np.float32),
    )


def interleaved(calls: dict[str, Callable[[], object]], repeats: int) -> dict[str, float]:
    """Median milliseconds of each call, the calls taking turns."""
    taken: dict[str, list[float]] = {name: [] for name in calls}
    for call in calls.values():
        call()
    for _ in range(repeats):
        for name, call in calls.items():
            begun = time.perf_counter()
            call()
            taken[name].append(1e3 * (time.perf_counter() - begun))
    return {name: float(np.median(times)) for name, times in taken.items()}


def fused_attention(heads: Heads, tensors: Tensors, threads: int) -> Callable[[], object]:
    """ONNX Runtime's tiled attention on the same queries and keys (values as wide as the keys)."""
    import onnxruntime as ort
    from onnx import TensorProto, helper

    names = ("query", "key", "value")
    node = helper.make_node(
        "MultiHeadAttention", names, ["out"], domain="com.microsoft", num_heads=heads.heads
    )
    inputs = [helper.make_tensor_value_info(n, TensorProto.FLOAT, [1, None, heads.channels]) for n in names]
    output = helper.make_tensor_value_info("out", TensorProto.FLOAT, None)
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("com.microsoft", 1)]
    graph = helper.make_graph([node], "attention", inputs, [output])
    model = helper.make_model(graph, opset_imports=opsets, ir_version=9)
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    flat = tensors.keys.reshape(1, -1, heads.channels)
    feed = {"query": tensors.query[None], "key": flat, "value": flat}
    return lambda: session.run(None, feed)


def materialised_softmax(heads: Heads, tensors: Tensors, threads: int) -> Callable[[], object]:
    """What the published code does: the whole attention in torch, then sums over each frame's keys."""
    import torch

    torch.set_num_threads(threads)
    split = (-1, heads.heads, heads.head_channels)
    query = torch.from_numpy(tensors.query).view(split).transpose(0, 1)
    keys = torch.from_numpy(tensors.keys).view(split).permute(1, 2, 0)

    def run() -> object:
        attention = ((query / heads.head_channels**0.5) @ keys).softmax(dim=-1)
        return attention.view(heads.heads, TOKENS, SLOTS, TOKENS).sum(dim=-1).mean(dim=0)

    return run


def measure_masses(heads: Heads, threads: int, repeats: int) -> dict[str, float]:
    """Milliseconds of the scorings and of what they are held against."""
    tensors = draw_tensors(heads)
    query, keys, rows, split = tensors.query, tensors.keys, tensors.rows, heads.heads
    exact, int8 = CpuKernels(threads=threads), CpuKernels(threads=threads, precision="int8")
    foreground = tensors.foreground
    fused = fused_attention(heads, tensors, threads)
    found = interleaved(
        {
            "onnxruntime MultiHeadAttention": fused,
            "frame_masses": lambda: exact.frame_masses(query, keys, rows, heads=split),
            "frame_masses int8": lambda: int8.frame_masses(query, keys, rows, heads=split),
            "relevance, 15% foreground": lambda: exact.relevance(query, keys, rows, foreground, heads=split),
            "relevance int8, 15% foreground": lambda: int8.relevance(
                query, keys, rows, foreground, heads=split
            ),
            "torch materialised softmax": materialised_softmax(heads, tensors, threads),
        },
        repeats,
    )
    gram = exact.key_gram(SLOTS, heads.channels)
    return found | interleaved({"key_gram append": lambda: gram.update(3, keys)}, repeats)


def measure_labels(threads: int, repeats: int) -> dict[str, float]:
    """Milliseconds of the label maps at 640x360 from 11 channels, and of OpenCV with numpy."""
    import cv2

    draw = np.random.default_rng(0)
    logits = cv2.GaussianBlur(draw.normal(size=(89, 161, 11)).astype(np.float32), (0, 0), 4).transpose(
        2, 0, 1
    )
    logits = np.ascontiguousarray(logits)
    active = np.ones((1, 11), dtype=np.bool_)
    kernels = CpuKernels(threads=threads)
    cv2.setNumThreads(threads)

    def plain() -> object:
        large = np.stack([cv2.resize(channel, (640, 360)) for channel in logits])
        label = large.argmax(axis=0).astype(np.uint8)
        return cv2.resize(label, (641, 353), interpolation=cv2.INTER_NEAREST)

    return interleaved(
        {
            "label_from_logits": lambda: kernels.label_from_logits(
                logits[None], active, (360, 640), (353, 641)
            ),
            "cv2.resize and argmax": plain,
        },
        repeats,
    )


MEMORY_PROBE = """
import re, sys
from pathlib import Path
from benchmarks.kernels import HEADS, CpuKernels, draw_tensors

def kibibytes(field):
    return int(re.search(field + r":\\s*(\\d+)", Path("/proc/self/status").read_text())[1])

drawn, kernels = draw_tensors(HEADS[0]), CpuKernels(threads=int(sys.argv[1]))
kernels.frame_masses(drawn.query[:64].copy(), drawn.keys[:1, :64].copy(), drawn.rows[:1], heads=8)
Path("/proc/self/clear_refs").write_text("5")
before = kibibytes("VmRSS")
kernels.frame_masses(drawn.query, drawn.keys, drawn.rows, heads=8)
print(kibibytes("VmHWM") - before)
"""


def extra_memory(threads: int) -> float:
    """MiB a thread by which a scoring raises the resident memory of a fresh process at its peak (Linux)."""
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])}
    command = [sys.executable, "-c", MEMORY_PROBE, str(threads)]
    ran = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    return int(ran.stdout) / 1024 / threads


def measure_peaks(threads: int) -> dict[str, float]:
    """This machine's GEMM GFLOP/s and copy GB/s, as numpy reaches them."""
    a = np.random.default_rng(0).normal(size=(1536, 1536)).astype(np.float32)
    source = np.zeros(32 << 20, dtype=np.float32)
    target = np.empty_like(source)

    def copy() -> None:
        np.copyto(target, source)

    times = interleaved({"gemm": lambda: a @ a, "copy": copy}, 9)
    return {
        "gemm_gflops": 2 * 1536.0**3 / times["gemm"] / 1e6,
        "copy_gigabytes_per_second": 2 * source.nbytes / times["copy"] / 1e6,
        "threads": float(threads),
    }


def roofline(heads: Heads, milliseconds: float, peaks: dict[str, float]) -> dict[str, float]:
    """Where a scoring stands between the machine's arithmetic and its memory."""
    flops = heads.products + EXP_FLOPS * heads.exponentials
    bytes_moved = heads.bytes_once(4)
    compute_ms = flops / peaks["gemm_gflops"] / 1e6
    memory_ms = bytes_moved / peaks["copy_gigabytes_per_second"] / 1e6
    return {
        "gflop": flops / 1e9,
        "megabytes": bytes_moved / 1e6,
        "flops_per_byte": flops / bytes_moved,
        "limit_ms": max(compute_ms, memory_ms),
        "memory_limit_ms": memory_ms,
        "share_of_limit": max(compute_ms, memory_ms) / milliseconds,
    }


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


def show(result: dict[str, Any]) -> None:
    """Prints the result as text."""
    machine = result["machine"]
    print(f"{machine['processor']}, {machine['threads']} threads, {machine['isa']}, load {machine['load']}")
    print("measured peaks: " + ", ".join(f"{name} {value:.4g}" for name, value in result["peaks"].items()))
    for network, found in result["masses"].items():
        fused, materialised = found["onnxruntime MultiHeadAttention"], found["torch materialised softmax"]
        print(f"\n{network}, N={TOKENS}, T={SLOTS}")
        for name, taken in found.items():
            print(
                f"  {name:32s} {taken:8.2f} ms {taken / fused:6.2f} x ORT {taken / materialised:7.3f} x torch"
            )
        print("  roofline: " + ", ".join(f"{k} {v:.3g}" for k, v in result["roofline"][network].items()))
    ours, plain = result["labels"]["label_from_logits"], result["labels"]["cv2.resize and argmax"]
    print(f"\nlabels at 640x360: {ours:.2f} ms, OpenCV and numpy {plain:.2f} ms ({plain / ours:.1f} times)")
    print(f"extra memory of a scoring: {result['extra_mebibytes_per_thread']:.2f} MiB a thread")
    print("\nGPUs, PREDICTED from stated peaks and the compiler's resource report, never measured:")
    for p in result["predicted"]:
        print(
            f"  {p['gpu']:9s} {p['network']:6s} {p['kernel']:19s} {p['predicted_microseconds']:5.0f} us,"
            f" {p['gflop']:.2f} GFLOP, {p['megabytes']:.2f} MB, occupancy {p['occupancy']:.0%},"
            f" {p['registers']} registers, {p['shared_bytes']} B shared, {p['blocks']} blocks"
        )


def main() -> None:
    """Measures, prints, and writes the result as JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=30)
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "results" / "kernels.json")
    options = parser.parse_args()
    load = round(os.getloadavg()[0], 2)
    peaks = measure_peaks(options.threads)
    masses = {h.network: measure_masses(h, options.threads, options.repeats) for h in HEADS}
    result = {
        "machine": {
            "processor": _processor_name(),
            "threads": options.threads,
            "isa": CpuKernels().isa,
            "load": f"{load} before, {round(os.getloadavg()[0], 2)} after",
        },
        "peaks": peaks,
        "masses": masses,
        "roofline": {h.network: roofline(h, masses[h.network]["frame_masses"], peaks) for h in HEADS},
        "labels": measure_labels(options.threads, options.repeats),
        "extra_mebibytes_per_thread": extra_memory(options.threads),
        "predicted": predictions(),
    }
    show(result)
    options.output.parent.mkdir(parents=True, exist_ok=True)
    part = options.output.with_suffix(".part")
    part.write_text(json.dumps(result, indent=1) + "\n")
    part.replace(options.output)


def _processor_name() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    return next((line.split(":")[1].strip() for line in lines if "model name" in line), platform.processor())


if __name__ == "__main__":
    main()
