"""Measures the kernels on this CPU, says how far they are from its limits, and predicts them on two GPUs.

    python -m ermu.benchmarks.kernels [--threads 2] [--repeats 30] [--output benchmarks/results/kernels.json]

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
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.setdefault(variable, "2")

import numpy as np

from ermu.benchmarks.kernels.attention_rows import measure_readout, measure_window
from ermu.benchmarks.kernels.gpu_prediction import predictions
from ermu.benchmarks.kernels.peers import fused_attention, interleaved, materialised_softmax
from ermu.benchmarks.kernels.roofline import attention_roofline, measure_peaks, scoring_roofline
from ermu.benchmarks.kernels.shapes import HEADS, SLOTS, TOKENS, Heads, draw_tensors
from ermu.devices.processors import usable_processors
from ermu.kernels.cpu.pixels import CpuPixels
from ermu.kernels.cpu.scoring import CpuScoring


def measure_masses(heads: Heads, threads: int, repeats: int) -> dict[str, float]:
    """Milliseconds of the scorings and of what they are held against."""
    tensors = draw_tensors(heads)
    query, keys, rows, split = tensors.query, tensors.keys, tensors.rows, heads.heads
    exact, int8 = CpuScoring(threads=threads), CpuScoring(threads=threads, precision="int8")
    masses, shares = np.empty((TOKENS, SLOTS), np.float32), np.empty(SLOTS)
    foreground = tensors.foreground
    fused = fused_attention(heads, query, keys, keys, threads)
    found = interleaved(
        {
            "onnxruntime MultiHeadAttention": fused,
            "frame_masses": lambda: exact.frame_masses(query, keys, rows, masses, heads=split),
            "frame_masses int8": lambda: int8.frame_masses(query, keys, rows, masses, heads=split),
            "relevance, 15% foreground": lambda: exact.relevance(
                query, keys, rows, foreground, shares, heads=split
            ),
            "relevance int8, 15% foreground": lambda: int8.relevance(
                query, keys, rows, foreground, shares, heads=split
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
    pixels = CpuPixels(threads=threads)
    source, network = np.empty((360, 640), np.uint8), np.empty((1, 353, 641), np.uint8)
    cv2.setNumThreads(threads)

    def plain() -> object:
        large = np.stack([cv2.resize(channel, (640, 360)) for channel in logits])
        label = large.argmax(axis=0).astype(np.uint8)
        return cv2.resize(label, (641, 353), interpolation=cv2.INTER_NEAREST)

    return interleaved(
        {
            "label_map": lambda: pixels.label_map(logits[None], active, source, network, align_corners=True),
            "cv2.resize and argmax": plain,
        },
        repeats,
    )


MEMORY_PROBE = """
import re, sys
from pathlib import Path
import numpy as np
from ermu.benchmarks.kernels.shapes import HEADS, SLOTS, TOKENS, draw_tensors
from ermu.kernels.cpu.scoring import CpuScoring

def kibibytes(field):
    return int(re.search(field + r":\\s*(\\d+)", Path("/proc/self/status").read_text())[1])

drawn, kernels = draw_tensors(HEADS[0]), CpuScoring(threads=int(sys.argv[1]))
small, masses = np.ones((64, 1), np.float32), np.ones((TOKENS, SLOTS), np.float32)
kernels.frame_masses(drawn.query[:64].copy(), drawn.keys[:1, :64].copy(), drawn.rows[:1], small, heads=8)
Path("/proc/self/clear_refs").write_text("5")
before = kibibytes("VmRSS")
kernels.frame_masses(drawn.query, drawn.keys, drawn.rows, masses, heads=8)
print(kibibytes("VmHWM") - before)
"""


def extra_memory(threads: int) -> float:
    """MiB a thread by which a scoring raises the resident memory of a fresh process at its peak (Linux)."""
    command = [sys.executable, "-c", MEMORY_PROBE, str(threads)]
    ran = subprocess.run(command, capture_output=True, text=True, check=True)
    return int(ran.stdout) / 1024 / threads


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
    show_attention(result)
    ours, plain = result["labels"]["label_map"], result["labels"]["cv2.resize and argmax"]
    print(f"\nlabels at 640x360: {ours:.2f} ms, OpenCV and numpy {plain:.2f} ms ({plain / ours:.1f} times)")
    print(f"extra memory of a scoring: {result['extra_mebibytes_per_thread']:.2f} MiB a thread")
    print("\nGPUs, PREDICTED from stated peaks and the compiler's resource report, never measured:")
    for p in result["predicted"]:
        print(
            f"  {p['gpu']:9s} {p['network']:6s} {p['kernel']:19s} {p['predicted_microseconds']:5.0f} us,"
            f" {p['gflop']:.2f} GFLOP, {p['megabytes']:.2f} MB, occupancy {p['occupancy']:.0%},"
            f" {p['registers']} registers, {p['shared_bytes']} B shared, {p['blocks']} blocks"
        )


def show_attention(result: dict[str, Any]) -> None:
    """Prints the attention rows as text."""
    for network, found in result["attention"].items():
        fused = found["onnxruntime MultiHeadAttention"]
        print(f"\n{network}, attention over the bank")
        for name, taken in found.items():
            print(f"  {name:34s} {taken:8.2f} ms {taken / fused:6.2f} x ORT")
        for precision, limit in result["attention_roofline"][network].items():
            floor, share = limit["floor_ms"], limit["share_of_floor"]
            print(
                f"  {precision}: {limit['gflop']:.1f} GFLOP, floor {floor:.1f} ms, {share:.0%} of it reached"
            )
    print("\n" + ", ".join(f"{name} {taken:.2f} ms" for name, taken in result["window"].items()))


def main() -> None:
    """Measures, prints, and writes the result as JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--threads", type=int, default=usable_processors())
    parser.add_argument("--repeats", type=int, default=30)
    parser.add_argument("--output", type=Path, default=Path(__file__).parents[1] / "results" / "kernels.json")
    options = parser.parse_args()
    load = round(os.getloadavg()[0], 2)
    peaks = measure_peaks(options.threads)
    masses = {h.network: measure_masses(h, options.threads, options.repeats) for h in HEADS}
    attention = {h.network: measure_readout(h, options.threads, options.repeats) for h in HEADS}
    result = {
        "machine": {
            "processor": _processor_name(),
            "threads": options.threads,
            "isa": CpuScoring().isa,
            "load": f"{load} before, {round(os.getloadavg()[0], 2)} after",
        },
        "peaks": peaks,
        "masses": masses,
        "roofline": {h.network: scoring_roofline(h, masses[h.network]["frame_masses"], peaks) for h in HEADS},
        "attention": attention,
        "attention_roofline": {h.network: attention_roofline(h, attention[h.network], peaks) for h in HEADS},
        "window": measure_window(options.threads, options.repeats),
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
