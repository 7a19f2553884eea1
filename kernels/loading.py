"""Chooses the kernels for a device: the fastest implementation that works there."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from ermu.devices.base import Device
from ermu.devices.gpu import GpuDevice
from ermu.devices.host import HostDevice
from ermu.errors import KernelError, OptionError
from ermu.kernels.base.attention import Attention
from ermu.kernels.base.identity import Identity
from ermu.kernels.base.pixels import Pixels
from ermu.kernels.base.scoring import Scoring
from ermu.kernels.numpy.attention import NumpyAttention
from ermu.kernels.numpy.identity import NumpyIdentity
from ermu.kernels.numpy.pixels import NumpyPixels
from ermu.kernels.numpy.scoring import NumpyScoring
from ermu.types import Array

NAMES = ("numpy", "cpu", "cuda")
VARIABLE = "ERMU_KERNELS"

logger = logging.getLogger("ermu.kernels")


def _no_faults() -> None:
    """On the host kernels raise at once."""


@dataclass(frozen=True)
class Kernels:
    """One implementation of every kernel, on one device.

    Attributes:
        name: `numpy`, `cpu` or `cuda`.
        scoring: Relevance, redundancy and the foreground.
        pixels: Frames in, label maps out.
        attention: Reads a memory bank and the window of a frame; None where the graphs must.
        identity: Makes the embedding of label maps from a bank's weight (C, 12, 17, 17) and bias (C,).
        check_faults: Raises `KernelError` where a launch since the last check met a value that is not finite,
            and forgets it; waits for those launches. On the host kernels raise at once, and it does nothing.
    """

    name: str
    scoring: Scoring
    pixels: Pixels
    attention: Attention | None
    identity: Callable[[Array, Array], Identity]
    check_faults: Callable[[], None] = field(default=_no_faults)


def load_kernels(
    device: Device | None = None, name: str | None = None, *, threads: int | None = None
) -> Kernels:
    """The kernels for a device, which the caller need not tell apart.

    Args:
        device: Where tensors live and kernels run; by default the host.
        name: "numpy", "cpu" or "cuda" to insist on one; by default the environment variable `ERMU_KERNELS`,
            else the best that works: "cuda" on a GPU, "cpu" on the host, and "numpy" there where the
            compiled library neither came with the package nor can be built (which is logged).
        threads: Threads per call on the host; by default the processors that this process may use.

    Raises:
        OptionError: the name is unknown, or names kernels of another device.
        KernelError: the kernels insisted on cannot be built here.
        BackendError: the GPU cannot run them.
    """
    device = HostDevice() if device is None else device
    wanted = name or os.environ.get(VARIABLE) or None
    on_gpu = isinstance(device, GpuDevice)
    if wanted is not None and wanted not in NAMES:
        raise OptionError(f"There are no kernels named '{wanted}'.", expected=f"one of {', '.join(NAMES)}")
    if wanted is not None and on_gpu != (wanted == "cuda"):
        raise OptionError(
            f"The kernels '{wanted}' cannot read tensors on the device '{device.name}'.",
            expected="cuda" if on_gpu else "numpy or cpu",
            fix="choose another --device" + ("" if name else f", or unset {VARIABLE}"),
        )
    if isinstance(device, GpuDevice):
        from ermu.kernels.cuda.loading import load_cuda_kernels

        return load_cuda_kernels(device)
    if wanted is None:
        return _cpu_or_numpy(threads)
    return _cpu_kernels(threads) if wanted == "cpu" else numpy_kernels()


def numpy_kernels() -> Kernels:
    """The oracle: no compiled code of this project runs."""
    return Kernels("numpy", NumpyScoring(), NumpyPixels(), NumpyAttention(), NumpyIdentity)


def _cpu_kernels(threads: int | None) -> Kernels:
    from ermu.kernels.cpu.attention import CpuAttention
    from ermu.kernels.cpu.identity import CpuIdentity
    from ermu.kernels.cpu.pixels import CpuPixels
    from ermu.kernels.cpu.scoring import CpuScoring

    return Kernels(
        "cpu",
        CpuScoring(threads=threads),
        CpuPixels(threads=threads),
        CpuAttention(threads=threads),
        partial(CpuIdentity, threads=threads),
    )


def _cpu_or_numpy(threads: int | None) -> Kernels:
    try:
        return _cpu_kernels(threads)
    except KernelError as error:
        logger.warning("Running on the slow numpy kernels: %s", error.problem)
        return numpy_kernels()
