"""The CUDA kernels of one device, as `ermu.kernels.loading` hands them out."""

from __future__ import annotations

from functools import partial

from ermu.devices.gpu import GpuDevice
from ermu.kernels.cuda.binary import fatbin
from ermu.kernels.cuda.faults import FaultWord
from ermu.kernels.cuda.identity import CudaIdentity
from ermu.kernels.cuda.pixels import CudaPixels
from ermu.kernels.cuda.scoring import CudaScoring
from ermu.kernels.loading import Kernels


def load_cuda_kernels(device: GpuDevice) -> Kernels:
    """Loads the kernels' module on the device.

    Raises:
        KernelError: they neither came with the package nor can be built here.
        BackendError: the device cannot run them.
    """
    major, minor = device.capability
    device.load_module(fatbin(10 * major + minor).read_bytes())
    return cuda_kernels(device)


def cuda_kernels(device: GpuDevice) -> Kernels:
    """The kernels on a device that has their module; they share one fault word."""
    faults = FaultWord(device)
    return Kernels(
        "cuda",
        CudaScoring(device, faults),
        CudaPixels(device, faults),
        None,
        partial(CudaIdentity, device),
        faults.check,
    )
