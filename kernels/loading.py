"""Chooses the kernels for a device: the fastest implementation that works there."""

from __future__ import annotations

import os

from ermu.errors import DependencyError, KernelError
from ermu.kernels.base.scoring import Kernels
from ermu.kernels.numpy.scoring import ReferenceKernels

NAMES = ("numpy", "cpu", "cuda")


def load_kernels(device: str = "cpu", name: str | None = None) -> Kernels:
    """The kernels for a device, which the caller need not tell apart.

    Args:
        device: "cpu" or "cuda" (also "cuda:N"), where the query and the keys live.
        name: "numpy", "cpu" or "cuda" to insist on one; by default the environment variable `ERMU_KERNELS`,
            else the best that works: "cuda" on a CUDA device, "cpu" elsewhere, and "numpy" where the
            compiled library neither came with the package nor can be built.

    Raises:
        KernelError: the name or device is unknown, or the kernels insisted on do not work here.
    """
    wanted = name or os.environ.get("ERMU_KERNELS") or None
    if wanted is not None and wanted not in NAMES:
        raise KernelError(f"There are no kernels named '{wanted}'.", expected=f"one of {', '.join(NAMES)}")
    if device.partition(":")[0] not in ("cpu", "cuda"):
        raise KernelError(f"There are no kernels for the device '{device}'.", expected="cpu or cuda")
    if wanted is None:
        wanted = "cuda" if device.startswith("cuda") else "cpu"
        if wanted == "cpu":
            return _cpu_or_reference()
    return _insist(wanted)


def _cpu_or_reference() -> Kernels:
    try:
        return _insist("cpu")
    except (DependencyError, KernelError):
        return ReferenceKernels()


def _insist(name: str) -> Kernels:
    if name == "numpy":
        return ReferenceKernels()
    if name == "cpu":
        from ermu.kernels.cpu.scoring import CpuKernels

        return CpuKernels()
    from ermu.kernels.cuda.scoring import CudaKernels

    return CudaKernels()
