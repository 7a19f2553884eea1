"""Frames a second that streams in lanes reach: measured on the cores that are here, modelled on more.

    python -m ermu.benchmarks.scaling.cores [--bundle demo] [--precision int8] [--backend openvino]

On n cores there are n lanes of one thread, a stream in each. Amdahl (1967) says what n of them reach,

    X(n) = n X(1) / (1 + s (n - 1)),

where s, the share of a frame in which lanes stand in each other's way (the interpreter, memory, the clock of
busy cores), follows from the measured points. Python runs in one lane at a time, so that X(n) <= 1 / h
whatever s is; h is the processor's time for what remains of a steady frame without graphs and kernels
(`ermu.benchmarks.measures.host_overhead`). A machine of several sockets has limits of its own.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from dataclasses import replace
from statistics import median

from ermu.benchmarks.measures.host_overhead import measure
from ermu.benchmarks.measures.machine import describe_machine
from ermu.benchmarks.options import DEFAULT_SIZE, BenchOptions
from ermu.benchmarks.plan import Plan
from ermu.benchmarks.scaling.together import run_together
from ermu.devices.processors import usable_processors
from ermu.errors import BenchmarkError
from ermu.runtime.backends.loading import open_backend
from ermu.runtime.bundle.bundle import Bundle

MODELLED = (4, 8, 16)


def hindrance(measured: Mapping[int, float]) -> float:
    """Amdahl's s of measured throughputs, least squares; 0 where two lanes do more than twice as much.

    Args:
        measured: Frames a second by number of cores, among them one.

    Raises:
        BenchmarkError: one core, or any other number, is missing.
    """
    if 1 not in measured or len(measured) < 2:
        raise BenchmarkError(
            f"A model needs one core and more, measured were {sorted(measured)}.",
            fix="run on a machine with two cores at least",
        )
    # n X(1) / X(n) - 1 = s (n - 1)
    excess = {n: n * measured[1] / fps - 1 for n, fps in measured.items()}
    squares = sum((n - 1) ** 2 for n in excess)
    return max(0.0, sum((n - 1) * over for n, over in excess.items()) / squares)


def modelled(cores: int, one: float, hindered: float, host_ms: float) -> float:
    """Frames a second of `cores` lanes.

    Args:
        cores: n.
        one: X(1), of one core.
        hindered: s.
        host_ms: h, in milliseconds.
    """
    return min(cores * one / (1 + hindered * (cores - 1)), 1000.0 / host_ms)


def measure_cores(options: BenchOptions, most: int, rounds: int) -> dict[int, float]:
    """Frames a second of n streams on n cores, n = 1, 2, 4, ..., `most`: medians of rounds by turns."""
    counts = sorted({n for n in (2**i for i in range(most.bit_length())) if n <= most} | {most})
    plans = {n: Plan.of(replace(options, threads=n)) for n in counts}
    found: dict[int, list[float]] = {n: [] for n in counts}
    for _ in range(rounds):
        for n, plan in plans.items():
            found[n].append(run_together(plan, n, lambda *progress: None)[1])
    return {n: median(fps) for n, fps in found.items()}


def main() -> None:
    """Prints JSON: frames a second by cores, measured and modelled."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--bundle", default="demo")
    parser.add_argument("--precision")
    parser.add_argument("--backend", default="auto")
    parser.add_argument("--frames", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=5)
    told = parser.parse_args()
    options = BenchOptions(
        told.bundle,
        precision=told.precision,
        backend=told.backend,
        frames=told.frames,
        objects=1,
    )
    measured = measure_cores(options, usable_processors(), told.rounds)
    bundle = Bundle.load(told.bundle)
    with open_backend(bundle, backend="onnxruntime", threads=1) as backend:  # the one that can be stubbed
        host = measure(backend, size=options.size or DEFAULT_SIZE, objects=1, frames=200, warm_up=20)
    hindered, host_ms = hindrance(measured), host["processor"]
    beyond = {n: modelled(n, measured[1], hindered, host_ms) for n in MODELLED if n not in measured}
    print(
        json.dumps(
            {
                "machine": describe_machine().kind,
                "measured_fps": {n: round(fps, 1) for n, fps in measured.items()},
                "hindrance": round(hindered, 4),
                "host_ms": host_ms,
                "modelled_fps": {n: round(fps, 1) for n, fps in beyond.items()},
                "modelled_times_one_core": {n: round(fps / measured[1], 2) for n, fps in beyond.items()},
            }
        )
    )


if __name__ == "__main__":
    main()
