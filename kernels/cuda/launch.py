"""The only module that talks to CUDA: memory and launches through pycuda; a fatbin shipped or built once."""

from __future__ import annotations

import ctypes
import os
import subprocess
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ermu.errors import DependencyError, KernelError
from ermu.kernels.cache import cache_folder
from ermu.kernels.cuda import build
from ermu.kernels.cuda.device import Device, DeviceArray

SHIPPED = Path(__file__).parent / "ermu.fatbin"


def fatbin() -> Path:
    """The compiled kernels: as shipped, else from the cache, else compiled now for the architectures known.

    Raises:
        KernelError: none was shipped and none can be compiled here.
    """
    if SHIPPED.exists():
        return SHIPPED
    file = cache_folder() / f"cuda-{build.fingerprint()}.fatbin"
    if not file.exists():
        try:
            build.compile_fatbin(file)
        except OSError as error:
            raise _unavailable(str(error)) from error
        except subprocess.CalledProcessError as error:
            raise _unavailable(f"nvcc failed: {error.stderr[-2000:]}") from error
    return file


def _unavailable(reason: str) -> KernelError:
    return KernelError(
        f"The CUDA kernels did not come with this installation and cannot be built: {reason}",
        fix="install the CUDA toolkit 13 (nvcc), or a wheel built where it exists",
    )


@lru_cache(maxsize=1)
def _driver() -> Any:
    """pycuda's driver module, initialised, with a context current.

    Raises:
        DependencyError: pycuda is not installed.
        KernelError: there is no driver or no device.
    """
    try:
        import pycuda.driver as driver
    except ModuleNotFoundError as error:
        raise DependencyError("pycuda", "Scoring on a GPU", "gpu") from error
    except ImportError as error:
        raise KernelError(f"pycuda finds no CUDA driver: {error}", fix="install the NVIDIA driver") from error
    try:
        driver.init()
        if driver.Context.get_current() is None:
            driver.Device(0).retain_primary_context().push()
    except driver.Error as error:
        raise KernelError(f"CUDA cannot be used: {error}", fix="check that nvidia-smi lists a GPU") from error
    return driver


class CudaDevice(Device):
    """The current CUDA context, or device 0's primary one where none is current.

    Every launch is checked; with the environment variable `ERMU_CUDA_SYNC=1` each is also waited for, so that
    a fault is reported by the kernel that caused it.

    Raises:
        DependencyError: pycuda is not installed.
        KernelError: there is no GPU, or no kernels for it.
    """

    def __init__(self) -> None:
        self._driver = _driver()
        try:
            self._module = self._driver.module_from_buffer(fatbin().read_bytes())
        except self._driver.Error as error:
            raise KernelError(
                f"The CUDA kernels do not run on this GPU: {error}", fix="update the driver"
            ) from error
        self._wait = os.environ.get("ERMU_CUDA_SYNC") == "1"
        self._functions: dict[str, Any] = {}

    def empty(self, shape: tuple[int, ...], dtype: npt.DTypeLike) -> DeviceArray:
        """See `Device.empty`; CUDA aligns to 256 bytes."""
        kind = np.dtype(dtype)
        memory = self._driver.mem_alloc(max(int(np.prod(shape)) * kind.itemsize, 1))
        return DeviceArray(int(memory), tuple(shape), kind, owner=memory)

    def upload(self, array: npt.NDArray[np.generic]) -> DeviceArray:
        """See `Device.upload`."""
        held = self.empty(array.shape, array.dtype)
        if array.nbytes:
            self._driver.memcpy_htod(held.address, np.ascontiguousarray(array))
        return held

    def download(self, array: DeviceArray) -> npt.NDArray[np.generic]:
        """See `Device.download`."""
        out = np.empty(array.shape, dtype=array.dtype)
        try:
            self._driver.memcpy_dtoh(out, array.address)
        except self._driver.Error as error:
            raise KernelError(
                f"A CUDA kernel failed: {error}", fix="rerun with ERMU_CUDA_SYNC=1 to see which"
            ) from error
        return out

    def launch(
        self, kernel: str, grid: tuple[int, int, int], block: tuple[int, int, int], params: ctypes.Structure
    ) -> None:
        """See `Device.launch`."""
        try:
            if kernel not in self._functions:
                function = self._module.get_function(kernel)
                self._functions[kernel] = function.prepare([f"{ctypes.sizeof(params)}s"])
            self._functions[kernel].prepared_call(grid, block, bytes(params))
            if self._wait:
                self._driver.Context.synchronize()
        except self._driver.Error as error:
            raise KernelError(f"The CUDA kernel {kernel} failed: {error}") from error
