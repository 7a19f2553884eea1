"""Every CUDA call of the project: one device, one stream, memory that is freed when its context ends."""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from hashlib import sha256
from math import prod
from typing import Any
from weakref import finalize

import numpy as np
import numpy.typing as npt

from ermu.devices.driver.context import Context, Memory
from ermu.devices.driver.legacy_stream import legacy_stream
from ermu.devices.driver.library import DriverError, call, created, is_done, start
from ermu.devices.driver.staging import Pinned
from ermu.devices.gpu import GpuDevice, Size
from ermu.devices.tensor import DeviceTensor
from ermu.errors import BackendError
from ermu.types import Array

_CAPTURE_THREAD_LOCAL = 1  # CU_STREAM_CAPTURE_MODE_THREAD_LOCAL: other threads may allocate meanwhile
_MAJOR, _MINOR = 75, 76  # CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_...
_BUFFER, _BUFFER_SIZE = 1, 2  # CU_LAUNCH_PARAM_...


def device_count() -> int:
    """GPUs that the driver shows to this process; 0 where there is no driver."""
    try:
        start()
        return created("cuDeviceGetCount")
    except (BackendError, DriverError):
        return 0


def device_capability(index: int = 0) -> tuple[int, int]:
    """Compute capability of a GPU, (major, minor).

    Raises:
        BackendError: there is no driver or no such GPU.
    """
    with _asking(index) as device:
        major, minor = (created("cuDeviceGetAttribute", part, device) for part in (_MAJOR, _MINOR))
    return major, minor


def device_description(index: int = 0) -> dict[str, Any]:
    """Name, compute capability, the driver's CUDA version and memory in bytes of a GPU.

    Raises:
        BackendError: there is no driver or no such GPU.
    """
    with _asking(index) as device:
        version = created("cuDriverGetVersion")
        return {
            "name": _name(device),
            "compute_capability": device_capability(index),
            "driver": f"{version // 1000}.{version % 1000 // 10}",
            "memory_bytes": created("cuDeviceTotalMem_v2", device),
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
    """

    name = "cuda"

    def __init__(self, index: int = 0) -> None:
        self.index = index
        self.capability = device_capability(index)
        with _asking(index) as device:
            self.label = f"GPU {index} ({_name(device)})"
        self._context = Context(index, self.label)
        self.stream = self._context.stream
        self._copying = threading.RLock()
        self._wait = os.environ.get("ERMU_CUDA_SYNC") == "1"
        self._closing = finalize(self, self._context.release)  # also where the process ends without `close`

    @property
    def live_bytes(self) -> int:
        """Device memory allocated here and not freed yet."""
        return sum(memory.nbytes for memory in list(self._context.live))

    def memory(self) -> tuple[int, int]:
        """See `Device.memory`."""
        free, total = ctypes.c_size_t(), ctypes.c_size_t()
        with self.current("asking how much memory is free"):
            call("cuMemGetInfo_v2", ctypes.byref(free), ctypes.byref(total))
        return free.value, total.value

    @property
    def lost(self) -> bool:
        """See `Device.lost`: a fault has ended the context, and every call answers with it."""
        return self._context.lost

    def current(self, doing: str) -> AbstractContextManager[None]:
        """A `with` block inside which this thread may call libraries that expect a current context.

        Args:
            doing: What is done there, for the message of an error: "running graph encode".

        Raises:
            BackendError: the driver refuses something inside, or an earlier fault has ended the context.
            StateError: the device is closed.
        """
        return self._context.current(doing)

    def empty(self, shape: Sequence[int], dtype: npt.DTypeLike) -> DeviceTensor:
        """See `Device.empty`; aligned to 256 bytes, and no memory at all where there is no element."""
        kind, sides = np.dtype(dtype), tuple(map(int, shape))
        nbytes = prod(sides) * kind.itemsize
        if nbytes == 0:
            return DeviceTensor(0, sides, kind, self)
        with self.current(f"allocating {nbytes} bytes"):
            memory = Memory(self, self._context, nbytes)
        return DeviceTensor(memory.address, sides, kind, memory)

    def upload(self, array: Array, target: DeviceTensor) -> None:
        """See `Device.upload`; goes through pinned memory, so the array may be changed once this returns."""
        if target.nbytes == 0:
            return
        with self._copying, self.current(f"uploading {target.nbytes} bytes"):
            block = self._context.staging.take(target.nbytes)
            block.memory[: target.nbytes].view(target.dtype).reshape(target.shape)[...] = array
            call("cuMemcpyHtoDAsync_v2", target.address, block.address, target.nbytes, self.stream)
            call("cuEventRecord", block.copied, self.stream)
            self.uploaded_bytes += target.nbytes

    def download(self, source: DeviceTensor) -> Array:
        """See `Device.download`."""
        if source.nbytes == 0:
            return np.empty(source.shape, source.dtype)
        with self._copying, self.current(f"downloading {source.nbytes} bytes"):
            block = self._context.staging.take(source.nbytes)
            call("cuMemcpyDtoHAsync_v2", block.address, source.address, source.nbytes, self.stream)
            call("cuStreamSynchronize", self.stream)
            self.downloaded_bytes += source.nbytes
            pinned = block.memory[: source.nbytes]
            result: Array = pinned.view(source.dtype).reshape(source.shape).copy()
        return result

    def copy(self, source: DeviceTensor, target: DeviceTensor) -> None:
        """See `Device.copy`."""
        if source.nbytes == 0:
            return
        with self.current(f"copying {source.nbytes} bytes"):
            call("cuMemcpyDtoDAsync_v2", target.address, source.address, source.nbytes, self.stream)

    def kernel_argument(self, tensor: DeviceTensor) -> DeviceTensor:
        """See `Device.kernel_argument`: the tensor itself."""
        return tensor

    def shared_word(self) -> tuple[Array, int]:
        """See `GpuDevice.shared_word`; pinned and mapped memory, so that nothing is copied to read it."""
        with self.current("allocating pinned memory"):
            pinned = Pinned(np.dtype(np.int32).itemsize)
            self._context.shared.append(pinned)
            address = pinned.device_address()
        word: Array = pinned.memory.view(np.int32)
        word[:] = 0
        return word, address

    def load_module(self, image: bytes) -> None:
        """See `GpuDevice.load_module`."""
        with self.current(f"loading a module of {len(image)} bytes"):
            self._context.load_module(sha256(image).hexdigest(), image)

    def launch(
        self, function: str, grid: Size, block: Size, params: ctypes.Structure, *, once: bool = False
    ) -> None:
        """See `GpuDevice.launch`."""
        with self.current(f"launching {function} on {grid} blocks of {block}"):
            size = ctypes.c_size_t(ctypes.sizeof(params))
            where = ctypes.addressof(params), ctypes.addressof(size)
            given = (ctypes.c_void_p * 5)(_BUFFER, where[0], _BUFFER_SIZE, where[1], None)
            found = self._context.function(function)
            call("cuLaunchKernel", found, *grid, *block, 0, self.stream, None, given)
            if self._wait:
                call("cuStreamSynchronize", self.stream)

    def synchronize(self) -> None:
        """See `Device.synchronize`; returns at once where nothing is left to wait for."""
        with self.current("waiting for the stream"):
            if not is_done("cuStreamQuery", self.stream):
                call("cuStreamSynchronize", self.stream)

    def capture(self, work: Callable[[], None]) -> CapturedGraph:
        """Records what `work` enqueues in the stream, without running it.

        Raises:
            BackendError: something in `work` cannot be recorded.
        """
        return CapturedGraph(self, work)

    def close(self) -> None:
        """Waits for the stream, frees whatever is still allocated and lets the context go."""
        self._closing()

    def reset(self) -> None:
        """See `Device.reset`: resets the GPU's primary context, whoever in this process uses it.

        CUDA promises nothing: after such a fault, it says, the process must be ended and started anew.
        """
        self.close()
        with legacy_stream(self.index).reset(), suppress(DriverError):
            call("cuDevicePrimaryCtxReset_v2", self.index)


class CapturedGraph:
    """A CUDA graph recorded from a stream, for the shapes and addresses that it was recorded with."""

    def __init__(self, device: CudaDevice, work: Callable[[], None]) -> None:
        self._device, self._executable = device, 0
        graph = ctypes.c_void_p()
        with device.current("capturing a graph"), device._context.capturing():
            call("cuStreamBeginCapture_v2", device.stream, _CAPTURE_THREAD_LOCAL)
            try:
                try:
                    work()
                finally:
                    call("cuStreamEndCapture", device.stream, ctypes.byref(graph))
                self._executable = created("cuGraphInstantiateWithFlags", graph, 0)
            finally:
                if graph:
                    call("cuGraphDestroy", graph)

    def launch(self) -> None:
        """Enqueues the recorded work."""
        with self._device.current("launching a captured graph"):
            call("cuGraphLaunch", self._executable, self._device.stream)

    def close(self) -> None:
        """Frees the graph."""
        if self._executable:
            with self._device.current("freeing a captured graph"):
                call("cuGraphExecDestroy", self._executable)
            self._executable = 0


@contextmanager
def _asking(index: int) -> Iterator[int]:
    """The driver's handle of a GPU, to ask it something."""
    start()
    try:
        count = created("cuDeviceGetCount")
        if index >= count:
            raise BackendError(f"There is no GPU {index}.", expected=f"a number below {count}")
        yield created("cuDeviceGet", index)
    except DriverError as error:
        raise BackendError(f"GPU {index} does not answer: {error}.", fix="ermu doctor") from error


def _name(device: int) -> str:
    name = ctypes.create_string_buffer(256)
    call("cuDeviceGetName", name, len(name), device)
    return name.value.decode()
