"""What a benchmark ran on: the CPU, how many cores of it, and the versions of everything that matters."""

from __future__ import annotations

import os
import platform
from pathlib import Path

from ermu.benchmarks.report.report import Machine
from ermu.devices.installed import installed_versions
from ermu.devices.processor_kind import machine_kind, processor_name

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
    return Machine(
        kind=machine_kind(),
        cpu=processor_name(),
        cores=os.cpu_count() or 1,
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


def versions() -> dict[str, str]:
    """Python's, and by package those of what is installed."""
    return {"python": platform.python_version(), **installed_versions(_PACKAGES)}


def _memory_bytes() -> int:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError):
        return 0
