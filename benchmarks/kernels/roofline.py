"""Where the kernels stand between this machine's arithmetic and its memory."""

from __future__ import annotations

import numpy as np

from ermu.benchmarks.kernels.peers import interleaved
from ermu.benchmarks.kernels.shapes import Heads
from ermu.benchmarks.measures.peak import measure_peak

EXP_FLOPS = 12  # of one exponential: to an exponent, degree 4, and the sum


def measure_peaks(threads: int) -> dict[str, float]:
    """This machine's GEMM GFLOP/s (GOP/s in int8), see `measure_peak`, and the GB/s of numpy's copy."""
    gemm = measure_peak(threads, bf16=True)
    source = np.zeros(32 << 20, dtype=np.float32)
    target = np.empty_like(source)

    def copy() -> None:
        np.copyto(target, source)

    copied = interleaved({"copy": copy}, 9)["copy"]
    found = {
        "gemm_gflops": gemm.fp32,
        "int8_gops": gemm.int8,
        "copy_gigabytes_per_second": 2 * source.nbytes / copied / 1e6,
        "threads": float(threads),
    }
    return found if gemm.bf16 is None else found | {"bf16_gflops": gemm.bf16}


def scoring_roofline(heads: Heads, milliseconds: float, peaks: dict[str, float]) -> dict[str, float]:
    """FLOPs, bytes, and the share of the limit that a scoring reaches."""
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


def attention_roofline(
    heads: Heads, milliseconds: dict[str, float], peaks: dict[str, float]
) -> dict[str, dict[str, float]]:
    """Of each precision the floor, both products at this machine's GEMM peak, and the share reached.

    The exponentials count for nothing in the floor: they share the multipliers with the products.
    """
    rates = {"fp32": "gemm_gflops", "bf16": "bf16_gflops", "int8": "int8_gops"}
    flops = heads.products + heads.value_products
    floors = {p: flops / peaks[rate] / 1e6 for p, rate in rates.items() if rate in peaks}
    return {
        precision: {
            "gflop": flops / 1e9,
            "floor_ms": floor,
            "share_of_floor": floor / milliseconds[f"readout {precision}"],
        }
        for precision, floor in floors.items()
        if f"readout {precision}" in milliseconds
    }
