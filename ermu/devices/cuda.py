"""Every CUDA call of the runtime: one device, one stream, memory that is freed when its context ends.

Over pycuda, and over the driver library itself for CUDA graphs, which pycuda lacks.
"""

from __future__ import annotations

import ctypes
import sys
import threading
from collections.abc import Callable
from functools import cache
from math import prod
from types import TracebackType
from typing import Any
from weakref import WeakSet

import numpy as np
import numpy.typing as npt

from ermu.errors import BackendError, DependencyError

Array = npt.NDArray[Any]


def device_capability(index: int = 0) -> tuple[int, int]:
    """Compute capability of a GPU, (major, minor).

    Raises:
        BackendError: there is no driver or no such GPU.
    """
    major, minor = _device(index).compute_capability()
    return int(major), int(minor)


def device_description(index: int = 0) -> dict[str, Any]:
    """Name, compute capability, driver and runtime version and memory in bytes of a GPU.

    Raises:
        BackendError: there is no driver or no such GPU.
    """
    device, driver = _device(index), _driver()
    return {
        "name": device.name(),
        "compute_capability": device_capability(index),
        "driver": _dotted(driver.get_driver_version()),
        "runtime": ".".join(map(str, driver.get_version())),
        "memory_bytes": device.total_memory(),
    }


class CudaDevice:
    """A GPU's primary context, which TensorRT and ONNX Runtime share, with one stream for all work.

    Attributes:
        stream: Handle of the stream.
        downloaded_bytes: Copied from device to host so far.
        uploaded_bytes: Copied from host to device so far.
    """

    def __init__(self, index: int = 0) -> None:
        self._driver = _driver()
        self._context = _device(index).retain_primary_context()
        self._bound = threading.local()
        self._bind()
        self._stream = self._driver.Stream()
        self.stream: int = self._stream.handle
        self.capability = device_capability(index)
        self.downloaded_bytes = self.uploaded_bytes = 0
        self._live: WeakSet[DeviceMemory] = WeakSet()
        self._staging: dict[int, _Staging] = {}

    @property
    def live_bytes(self) -> int:
        """Allocated here and not freed yet."""
        return sum(memory.nbytes for memory in self._live)

    def allocate(self, nbytes: int) -> DeviceMemory:
        """Uninitialised memory, aligned to 256 bytes, freed when nothing refers to it any more."""
        self._bind()
        try:
            memory = DeviceMemory(self._driver.mem_alloc(max(nbytes, 1)), nbytes)
        except self._driver.MemoryError as error:
            free, total = self._driver.mem_get_info()
            raise BackendError(
                f"The GPU has no {nbytes >> 20} MB left ({free >> 20} of {total >> 20} MB are free).",
                fix="fewer memory frames (--capacity), smaller frames (--long-edge) or fp16",
            ) from error
        self._live.add(memory)
        return memory

    def upload(self, array: Array, address: int) -> None:
        """Host to device through pinned memory; the array may be changed as soon as this returns."""
        staging = self._stage(array.nbytes)
        staging.copied.synchronize()
        pinned = staging.pinned[: array.nbytes]
        pinned.view(array.dtype).reshape(array.shape)[...] = array
        self._driver.memcpy_htod_async(address, pinned, self._stream)
        staging.copied.record(self._stream)
        self.uploaded_bytes += array.nbytes

    def download(self, address: int, shape: tuple[int, ...], dtype: npt.DTypeLike) -> Array:
        """Device to host, after everything in the stream."""
        kind = np.dtype(dtype)
        nbytes = prod(shape) * kind.itemsize
        pinned = self._stage(nbytes).pinned[:nbytes]
        self._driver.memcpy_dtoh_async(pinned, address, self._stream)
        self.synchronize()
        self.downloaded_bytes += nbytes
        result: Array = pinned.view(kind).reshape(shape).copy()
        return result

    def copy(self, source: int, target: int, nbytes: int) -> None:
        """Device to device, in the stream."""
        self._bind()
        self._driver.memcpy_dtod_async(target, source, nbytes, self._stream)

    def synchronize(self) -> None:
        """Waits for everything in the stream."""
        self._stream.synchronize()

    def capture(self, work: Callable[[], None]) -> CapturedGraph:
        """Records what `work` enqueues in the stream, without running it."""
        self._bind()
        return CapturedGraph(self.stream, work)

    def close(self) -> None:
        """Frees whatever is still allocated and lets the context go."""
        if self._context is None:
            return
        self._bind()
        self.synchronize()
        for memory in list(self._live):
            memory.free()
        self._staging.clear()
        del self._stream
        self._context.pop()
        self._context = None  # pycuda releases the primary context with its last reference

    def __enter__(self) -> CudaDevice:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _bind(self) -> None:
        """Makes the context current in this thread, the first time that it comes here."""
        if not getattr(self._bound, "here", False):
            self._context.push()
            self._bound.here = True

    def _stage(self, nbytes: int) -> _Staging:
        """Pinned memory of at least that size; sizes are powers of two, so that there are few of them."""
        self._bind()
        size = 1 << max(nbytes - 1, 4095).bit_length()
        if size not in self._staging:
            self._staging[size] = _Staging(self._driver, size)
        return self._staging[size]


class DeviceMemory:
    """A block of device memory."""

    def __init__(self, allocation: Any, nbytes: int) -> None:
        self._allocation, self.nbytes = allocation, nbytes

    @property
    def address(self) -> int:
        return int(self._allocation)

    def free(self) -> None:
        """Frees it at once, whoever still refers to it."""
        self._allocation.free()
        self.nbytes = 0


class _Staging:
    """Pinned host memory, and the event that says when the last upload has left it."""

    def __init__(self, driver: Any, nbytes: int) -> None:
        self.pinned: Array = driver.pagelocked_empty(nbytes, np.uint8)
        self.copied = driver.Event()


class CapturedGraph:
    """A CUDA graph recorded from a stream, for the shapes and addresses that it was recorded with."""

    def __init__(self, stream: int, work: Callable[[], None]) -> None:
        self._stream, self._graph, self._executable = (
            ctypes.c_void_p(stream),
            ctypes.c_void_p(),
            ctypes.c_void_p(),
        )
        _call("cuStreamBeginCapture_v2", self._stream, ctypes.c_int(_CAPTURE_THREAD_LOCAL))
        try:
            work()
        finally:
            _call("cuStreamEndCapture", self._stream, ctypes.byref(self._graph))
        instantiate = ctypes.byref(self._executable), self._graph, ctypes.c_ulonglong(0)
        _call("cuGraphInstantiateWithFlags", *instantiate)

    def launch(self) -> None:
        """Enqueues the recorded work."""
        _call("cuGraphLaunch", self._executable, self._stream)

    def close(self) -> None:
        """Frees the graph."""
        if self._executable:
            _call("cuGraphExecDestroy", self._executable)
            _call("cuGraphDestroy", self._graph)
            self._executable = ctypes.c_void_p()


_CAPTURE_THREAD_LOCAL = 1  # CU_STREAM_CAPTURE_MODE_THREAD_LOCAL: other threads may allocate meanwhile


@cache
def _driver() -> Any:
    """pycuda's driver module, initialised."""
    try:
        import pycuda.driver as driver
    except ModuleNotFoundError as error:
        raise DependencyError("pycuda", "Running on a GPU", "gpu") from error
    except ImportError as error:
        raise BackendError(
            f"pycuda does not load: {error}.", expected="an NVIDIA driver (libcuda.so.1)", fix="ermu doctor"
        ) from error
    try:
        driver.init()
    except driver.Error as error:
        raise BackendError(f"CUDA finds no device: {error}.", fix="ermu doctor") from error
    return driver


def _device(index: int) -> Any:
    driver = _driver()
    if index >= driver.Device.count():
        raise BackendError(f"There is no GPU {index}.", expected=f"a number below {driver.Device.count()}")
    return driver.Device(index)


@cache
def _library() -> ctypes.CDLL:
    return ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")


def _call(function: str, *arguments: Any) -> None:
    status = getattr(_library(), function)(*arguments)
    if status:
        raise BackendError(f"{function} failed with CUDA error {status}.", fix="ermu doctor")


def _dotted(version: int) -> str:
    return f"{version // 1000}.{version % 1000 // 10}"
