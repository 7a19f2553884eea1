"""Builds every graph of bundles with TensorRT-RTX, a process each, and records time and peak memory.

    python benchmarks/engines.py BUNDLE... --size 353x641 --out benchmarks/results/engines.json

Needs no GPU. The bundles must hold the precisions: `ermu build --precision fp16`.
"""

from __future__ import annotations

import argparse
import json
import platform
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from time import perf_counter
from typing import Any

from ermu.devices.tensorrt_module import load_tensorrt
from ermu.export.engines.builder import BuildOptions, build_engine
from ermu.export.engines.profiles import profiles_of
from ermu.runtime.bundle.built import Profile
from ermu.runtime.bundle.bundle import Bundle
from ermu.runtime.bundle.manifest import WHOLE
from ermu.runtime.files import replace_atomically

TARGETS = ("sm86", "sm89", "sm120", "portable")


def build_one(bundle: Bundle, graph: str, target: str, profile: Profile) -> dict[str, Any]:
    """Builds one engine here; seconds include parsing, peak memory is this whole process's."""
    module = load_tensorrt("tensorrt-rtx")
    idle_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with tempfile.TemporaryDirectory() as folder:
        out, began = Path(folder) / "engine", perf_counter()
        build_engine(module, bundle, graph, target, BuildOptions((profile,)), out)
        seconds, size = perf_counter() - began, out.stat().st_size
    return {
        "network": bundle.manifest.network.name,
        "precision": bundle.manifest.precision,
        "graph": graph,
        "target": target,
        "seconds": round(seconds, 2),
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        "idle_mb": idle_kb // 1024,
        "engine_mb": round(size / 1e6, 1),
    }


def build_all(bundles: list[Path], precisions: list[str], size: str, frames: int) -> list[dict[str, Any]]:
    """Every graph, precision and target, one child process each."""
    rows = []
    for path in bundles:
        for precision in precisions:
            for graph in Bundle.load(path).at_precision(precision).manifest.plans[WHOLE].graphs:
                for target in TARGETS:
                    one = ["--one", precision, graph, target, "--size", size, "--frames", str(frames)]
                    child = subprocess.run(
                        [sys.executable, __file__, str(path), *one],
                        check=True,
                        capture_output=True,
                        text=True,
                    )
                    rows.append(json.loads(child.stdout.splitlines()[-1]))
                    print(rows[-1], flush=True)
    return rows


def main() -> None:
    """Reads the arguments; with --one, builds one engine and prints its row."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bundles", nargs="+", type=Path)
    parser.add_argument("--size", default="353x641")
    parser.add_argument("--frames", type=int, default=9)
    parser.add_argument("--precision", nargs="+", default=["fp32", "fp16"])
    parser.add_argument("--out", type=Path)
    parser.add_argument("--one", nargs=3, metavar=("PRECISION", "GRAPH", "TARGET"))
    options = parser.parse_args()
    height, width = map(int, options.size.split("x"))
    if options.one:
        precision, graph, target = options.one
        bundle = Bundle.load(options.bundles[0]).at_precision(precision)
        (profile,) = profiles_of(bundle, [(height, width)], options.frames)
        print(json.dumps(build_one(bundle, graph, target, profile)))
        return
    rows = build_all(options.bundles, options.precision, options.size, options.frames)
    machine = {"processor": platform.processor() or platform.machine(), "python": platform.python_version()}
    record = {
        "what": "TensorRT-RTX builds without a GPU: seconds with parsing, peak resident memory",
        "tensorrt_rtx": load_tensorrt("tensorrt-rtx").version,
        "size": options.size,
        "memory_frames": options.frames,
        "machine": machine,
        "rows": rows,
    }
    if options.out:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        with replace_atomically(options.out) as temporary:
            temporary.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
