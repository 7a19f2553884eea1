"""Every CUDA call of the project: one device, one stream, memory that is freed when its context ends.

Over pycuda, and over the driver library itself for CUDA graphs, which pycuda lacks. pycuda keeps a stack of
contexts for each thread and aborts the process where a thread ends with one on it; so the context is pushed
and popped around every call, nothing is left on any stack, and every thread may use the device.
"""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from functools import cache
from hashlib import sha256
from math import prod
from typing import Any
from weakref import WeakSet, finalize

import numpy as np
import numpy.typing as npt

from ermu.devices.driver_library import call_driver
from ermu.devices.gpu import GpuDevice, Size
from ermu.devices.staging import Staging
from ermu.devices.tensor import DeviceTensor
from ermu.errors import BackendError, DependencyError, StateError
from ermu.types import Array

_CAPTURE_THREAD_LOCAL = 1  # CU_STREAM_CAPTURE_MODE_THREAD_LOCAL: other threads may allocate meanwhile
_LESS_MEMORY = "fewer memory frames (--capacity), smaller frames (--long-edge) or fp16"


def device_capability(index: int = 0) -> tuple[int, int]:
    """Compute capability of a GPU, (major, minor).

    Raises:
        BackendError: there is no driver or no such GPU.
        DependencyError: pycuda is not installed.
    """
    major, minor = _device(index).compute_capability()
    return int(major), int(minor)


def device_description(index: int = 0) -> dict[str, Any]:
    """Name, compute capability, driver and runtime version and memory in bytes of a GPU.

    Raises:
        BackendError: there is no driver or no such GPU.
        DependencyError: pycuda is not installed.
    """
    device, driver = _device(index), _driver()
    return {
        "name": device.name(),
        "compute_capability": device_capability(index),
        "driver": _dotted(driver.get_driver_version()),
        "runtime": ".".join(map(str, driver.get_version())),
        "memory_bytes": device.total_memory(),
    }


class CudaDevice(GpuDevice):
    """A GPU's primary context, which TensorRT and ONNX Runtime share, with one stream for all work.

    Any thread may use it, one at a time for copies. With the environment variable `ERMU_CUDA_SYNC=1` every
    launch is waited for, so that a fault is reported by the kernel that caused it.

    Args:
        index: Number of the GPU.

    Attributes:
        index: Number of the GPU.
        label: The GPU, as messages name it.
        capability: Compute capability, (major, minor).
        stream: Handle of the stream.

    Raises:
        BackendError: there is no driver, no such GPU, or its context cannot be had.
        DependencyError: pycuda is not installed.
    """

    name = "cuda"

    def __init__(self, index: int = 0) -> None:
        self.index = index
        self.capability = device_capability(index)
        self.label = f"GPU {index} ({_device(index).name()})"
        self._held = _Held(index, self.label)
        with self._held.current("creating a stream"):
            self._held.stream = self._held.driver.Stream()
        self.stream: int = self._held.stream.handle
        self._copying = threading.RLock()
        self._wait = os.environ.get("ERMU_CUDA_SYNC") == "1"
        self._closing = finalize(self, self._held.release)  # also where the process ends without `close`

    @property
    def live_bytes(self) -> int:
        """Device memory allocated here and not freed yet."""
        return sum(memory.nbytes for memory in list(self._held.live))

    def current(self, doing: str) -> AbstractContextManager[None]:
        """A `with` block inside which this thread may call libraries that expect a current context.

        Args:
            doing: What is done there, for the message of an error: "running graph encode".

        Raises:
            BackendError: the driver refuses something inside, or an earlier fault has ended the context.
            StateError: the device is closed.
        """
        return self._held.current(doing)

    def empty(self, shape: Sequence[int], dtype: npt.DTypeLike) -> DeviceTensor:
        """See `Device.empty`; aligned to 256 bytes, and no memory at all where there is no element."""
        kind, sides = np.dtype(dtype), tuple(map(int, shape))
        nbytes = prod(sides) * kind.itemsize
        if nbytes == 0:
            return DeviceTensor(0, sides, kind, self)
        with self.current(f"allocating {nbytes} bytes"):
            memory = _Memory(self, self._held.driver.mem_alloc(nbytes), nbytes)
        self._held.live.add(memory)
        return DeviceTensor(memory.address, sides, kind, memory)

    def upload(self, array: Array, target: DeviceTensor) -> None:
        """See `Device.upload`; goes through pinned memory, so the array may be changed once this returns."""
        if target.nbytes == 0:
            return
        with self._copying, self.current(f"uploading {target.nbytes} bytes"):
            staging = self._held.staging.take(target.nbytes)
            pinned = staging.memory[: target.nbytes]
            pinned.view(target.dtype).reshape(target.shape)[...] = array
            self._held.driver.memcpy_htod_async(target.address, pinned, self._held.stream)
            staging.copied.record(self._held.stream)
            self.uploaded_bytes += target.nbytes

    def download(self, source: DeviceTensor) -> Array:
        """See `Device.download`."""
        if source.nbytes == 0:
            return np.empty(source.shape, source.dtype)
        with self._copying, self.current(f"downloading {source.nbytes} bytes"):
            pinned = self._held.staging.take(source.nbytes).memory[: source.nbytes]
            self._held.driver.memcpy_dtoh_async(pinned, source.address, self._held.stream)
            self._held.stream.synchronize()
            self.downloaded_bytes += source.nbytes
            result: Array = pinned.view(source.dtype).reshape(source.shape).copy()
        return result

    def copy(self, source: DeviceTensor, target: DeviceTensor) -> None:
        """See `Device.copy`."""
        if source.nbytes == 0:
            return
        with self.current(f"copying {source.nbytes} bytes"):
            self._held.driver.memcpy_dtod_async(
                target.address, source.address, source.nbytes, self._held.stream
            )

    def kernel_argument(self, tensor: DeviceTensor) -> DeviceTensor:
        """See `Device.kernel_argument`: the tensor itself."""
        return tensor

    def shared_word(self) -> tuple[Array, int]:
        """See `GpuDevice.shared_word`; pinned and mapped memory, so that nothing is copied to read it."""
        driver = self._held.driver
        with self.current("allocating pinned memory"):
            flags = driver.host_alloc_flags.DEVICEMAP
            word: Any = driver.pagelocked_zeros(1, np.int32, mem_flags=flags)
            address = int(word.base.get_device_pointer())
        self._held.shared.append(word)
        return word, address

    def load_module(self, image: bytes) -> None:
        """See `GpuDevice.load_module`."""
        digest = sha256(image).hexdigest()
        if digest not in self._held.modules:
            with self.current(f"loading a module of {len(image)} bytes"):
                self._held.modules[digest] = self._held.driver.module_from_buffer(image)

    def launch(self, function: str, grid: Size, block: Size, params: ctypes.Structure) -> None:
        """See `GpuDevice.launch`."""
        with self.current(f"launching {function} on {grid} blocks of {block}"):
            prepared = self._held.function(function, ctypes.sizeof(params))
            prepared.prepared_async_call(grid, block, self._held.stream, bytes(params))
            if self._wait:
                self._held.stream.synchronize()

    def synchronize(self) -> None:
        """See `Device.synchronize`; returns at once where nothing is left to wait for."""
        with self.current("waiting for the stream"):
            if not self._held.stream.is_done():
                self._held.stream.synchronize()

    def capture(self, work: Callable[[], None]) -> CapturedGraph:
        """Records what `work` enqueues in the stream, without running it.

        Raises:
            BackendError: something in `work` cannot be recorded.
        """
        return CapturedGraph(self, work)

    def close(self) -> None:
        """Waits for the stream, frees whatever is still allocated and lets the context go."""
        self._closing()


class CapturedGraph:
    """A CUDA graph recorded from a stream, for the shapes and addresses that it was recorded with."""

    def __init__(self, device: CudaDevice, work: Callable[[], None]) -> None:
        self._device, self._stream = device, ctypes.c_void_p(device.stream)
        self._graph, self._executable = ctypes.c_void_p(), ctypes.c_void_p()
        with device.current("capturing a graph"), device._held.capturing():
            call_driver("cuStreamBeginCapture_v2", self._stream, ctypes.c_int(_CAPTURE_THREAD_LOCAL))
            try:
                work()
            finally:
                call_driver("cuStreamEndCapture", self._stream, ctypes.byref(self._graph))
            instantiate = ctypes.byref(self._executable), self._graph, ctypes.c_ulonglong(0)
            call_driver("cuGraphInstantiateWithFlags", *instantiate)

    def launch(self) -> None:
        """Enqueues the recorded work."""
        with self._device.current("launching a captured graph"):
            call_driver("cuGraphLaunch", self._executable, self._stream)

    def close(self) -> None:
        """Frees the graph."""
        if self._executable:
            with self._device.current("freeing a captured graph"):
                call_driver("cuGraphExecDestroy", self._executable)
                call_driver("cuGraphDestroy", self._graph)
            self._executable = ctypes.c_void_p()


class _Held:
    """What a device holds of the driver, apart from it so that it can be released when the process ends.

    Attributes:
        stream: pycuda's stream.
        live: Memory not freed yet.
        modules: By the SHA-256 of their image.
        shared: Host memory that kernels write.
        staging: Pinned memory that copies go through.
    """

    def __init__(self, index: int, label: str) -> None:
        self.driver, self._label = _driver(), label
        self.stream: Any = None
        self.live: WeakSet[_Memory] = WeakSet()
        self.modules: dict[str, Any] = {}
        self.shared: list[Any] = []  # arrays over pycuda's allocations
        self._functions: dict[str, Any] = {}
        self.staging = Staging(self.driver)
        self._capturing: int | None = None  # the thread that does
        self._dropped: list[Any] = []  # by that thread, meanwhile
        self._context: Any = None
        try:
            self._context = _device(index).retain_primary_context()
        except self.driver.Error as error:
            raise BackendError(f"{label} cannot be opened: {error}.", fix="ermu doctor") from error

    @contextmanager
    def current(self, doing: str) -> Iterator[None]:
        """See `CudaDevice.current`."""
        if self._context is None:
            raise StateError(f"{self._label} is closed: {doing} is not possible any more.")
        try:
            self._context.push()
            try:
                yield
            finally:
                self.driver.Context.pop()
        except self.driver.MemoryError as error:
            raise self._out_of_memory(doing) from error
        except self.driver.Error as error:
            raise BackendError(
                f"{self._label} failed while {doing}: {error}.",
                fix="rerun with ERMU_CUDA_SYNC=1 to see which kernel failed; `ermu doctor` checks the device",
            ) from error

    def function(self, name: str, nbytes: int) -> Any:
        """A function of a loaded module, prepared for one argument of that size."""
        if name not in self._functions:
            found = self._found(name)
            self._functions[name] = found.prepare([f"{nbytes}s"])
        return self._functions[name]

    def _found(self, name: str) -> Any:
        for module in self.modules.values():
            with suppress(self.driver.LogicError):
                return module.get_function(name)
        raise BackendError(
            f"No module on {self._label} has a function '{name}'.", fix="reinstall ermu, or clear its cache"
        )

    @contextmanager
    def capturing(self) -> Iterator[None]:
        """What this thread drops inside is freed at the end: freeing it would spoil the capture."""
        self._capturing = threading.get_ident()
        try:
            yield
        finally:
            self._capturing = None
            while self._dropped:
                self._dropped.pop().free()

    def free(self, allocation: Any) -> None:
        """Frees memory from whatever thread drops it; what a fault took with the context is gone already."""
        if self._capturing == threading.get_ident():
            self._dropped.append(allocation)
            return
        with suppress(BackendError, StateError), self.current("freeing memory"):
            allocation.free()

    def release(self) -> None:
        """Frees everything, whatever faults there were."""
        if self._context is None:
            return
        with suppress(BackendError), self.current("closing"), suppress(self.driver.Error):
            if self.stream is not None:
                self.stream.synchronize()
        for memory in list(self.live):
            memory.free()
        with suppress(BackendError), self.current("closing"):
            self._functions.clear()
            self.modules.clear()
            self.staging.clear()
            while self.shared:
                self.shared.pop().base.free()
            self.stream = None
        self._let_go()

    def _let_go(self) -> None:
        """Releases the primary context, from any thread.

        pycuda does so where the context is on its own stack, takes it off there, but not off the driver's.
        """
        context, self._context = self._context, None
        with suppress(self.driver.Error, BackendError):
            context.push()
            call_driver("cuCtxPopCurrent_v2", ctypes.byref(ctypes.c_void_p()))
            context.detach()

    def _out_of_memory(self, doing: str) -> BackendError:
        with suppress(self.driver.Error):
            self._context.push()
            try:
                free, total = self.driver.mem_get_info()
            finally:
                self.driver.Context.pop()
            room = f" ({free >> 20} of {total >> 20} MB are free)"
            return BackendError(f"{self._label} ran out of memory while {doing}{room}.", fix=_LESS_MEMORY)
        return BackendError(f"{self._label} ran out of memory while {doing}.", fix=_LESS_MEMORY)


class _Memory:
    """A block of device memory, freed with its last reference; keeps its device open until then."""

    def __init__(self, device: CudaDevice, allocation: Any, nbytes: int) -> None:
        self._device, self._allocation, self.nbytes = device, allocation, nbytes
        self.address = int(allocation)

    def free(self) -> None:
        """Frees it at once, whoever still refers to it."""
        allocation, self._allocation, self.nbytes = self._allocation, None, 0
        if allocation is not None:
            self._device._held.free(allocation)

    def __del__(self) -> None:
        self.free()


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


def _dotted(version: int) -> str:
    return f"{version // 1000}.{version % 1000 // 10}"
