"""What a benchmark ran on: the CPU, how many cores of it, and the versions of everything that matters."""

from __future__ import annotations

import os
import platform
import re
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from ermu.benchmarks.report.report import Machine

_PACKAGES = (
    *("ermu", "numpy", "opencv-python", "onnxruntime", "onnxruntime-gpu", "onnx", "torch", "openvino"),
    *("transformers", "timm", "rf-cutie"),
)
_VARIABLES = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "OMP_WAIT_POLICY",
    "GOMP_CPU_AFFINITY",
)
_GOVERNOR = Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")


def describe_machine() -> Machine:
    """This machine, as a report records it."""
    cpu = _cpu_facts()
    name = cpu.get("model name") or platform.processor() or platform.machine()
    cores = os.cpu_count() or 1
    model = [f"{cpu['cpu family']}.{cpu['model']}"] if "cpu family" in cpu and "model" in cpu else []
    return Machine(
        kind=re.sub(r"[^a-z0-9.]+", "-", " ".join([name, *model, f"{cores} cores"]).lower()).strip("-"),
        cpu=" ".join([name, *(f"(family and model {m})" for m in model)]),
        cores=cores,
        affinity=_affinity(),
        governor=_GOVERNOR.read_text().strip() if _GOVERNOR.is_file() else None,
        memory_gb=round(_memory_bytes() / 1e9, 1),
        system=f"{platform.system()} {platform.release()}",
        environment={name: os.environ[name] for name in _VARIABLES if name in os.environ},
    )


def _affinity() -> tuple[int, ...]:
    if hasattr(os, "sched_getaffinity"):
        return tuple(sorted(os.sched_getaffinity(0)))
    return tuple(range(os.cpu_count() or 1))


def installed_versions() -> dict[str, str]:
    """Versions by package, of those installed."""
    found = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def _cpu_facts() -> dict[str, str]:
    """The first core's entry in /proc/cpuinfo; empty where there is none."""
    file = Path("/proc/cpuinfo")
    if not file.is_file():
        return {}
    lines = file.read_text().split("\n\n")[0].splitlines()
    return {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}


def _memory_bytes() -> int:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError):
        return 0
