"""The primary context of a GPU as one device holds it, apart from it so that it is released whatever happens.

Threads have a stack of contexts each: this one is pushed and popped around every use, nothing is left on any
stack, and every thread may use the device.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any
from weakref import WeakSet

from ermu.devices.driver.legacy_stream import legacy_stream
from ermu.devices.driver.library import NOT_FOUND, OUT_OF_MEMORY, DriverError, call, created, is_done
from ermu.devices.driver.staging import Pinned, Staging
from ermu.errors import BackendError, StateError

_STREAM_DEFAULT = 0  # CU_STREAM_DEFAULT: ordered with the legacy stream, in which a library may work
LESS_MEMORY = "fewer memory frames (--capacity), smaller frames (--long-edge) or fp16"


class Context:
    """A GPU's primary context, which TensorRT and ONNX Runtime share, with one stream.

    Args:
        index: Number of the GPU.
        label: The GPU, as messages name it.

    Attributes:
        stream: Handle of the stream.
        live: Memory not freed yet.
        staging: Pinned memory that copies go through.
        shared: Pinned memory that kernels write.

    Raises:
        BackendError: the context cannot be had.
    """

    def __init__(self, index: int, label: str) -> None:
        self._index, self._label = index, label
        self.live: WeakSet[Memory] = WeakSet()
        self.staging, self.shared = Staging(), list[Pinned]()
        self._modules: dict[str, int] = {}  # by the SHA-256 of their image
        self._functions: dict[str, int] = {}
        self._capturing: int | None = None  # the thread that does
        self._dropped: list[int] = []  # by that thread, meanwhile
        self.stream = 0
        self._handle: int | None = None
        try:
            self._handle = created("cuDevicePrimaryCtxRetain", index)
        except DriverError as error:
            raise BackendError(f"{label} cannot be opened: {error}.", fix="ermu doctor") from error
        try:
            with self.current("creating a stream"):
                self.stream = created("cuStreamCreate", _STREAM_DEFAULT)
        except BackendError:
            self.release()
            raise

    @contextmanager
    def current(self, doing: str) -> Iterator[None]:
        """See `CudaDevice.current`."""
        if self._handle is None:
            raise StateError(f"{self._label} is closed: {doing} is not possible any more.")
        try:
            with self._pushed():
                yield
        except DriverError as error:
            if error.status == OUT_OF_MEMORY:
                raise self._out_of_memory(doing) from error
            raise BackendError(
                f"{self._label} failed while {doing}: {error}.",
                fix="rerun with ERMU_CUDA_SYNC=1 to see which kernel failed; `ermu doctor` checks the device",
            ) from error

    @property
    def lost(self) -> bool:
        """Whether a fault has ended the context: it answers every question with it."""
        if self._handle is None:
            return False
        try:
            with self._pushed():
                is_done("cuStreamQuery", self.stream)
        except DriverError:
            return True
        return False

    def load_module(self, digest: str, image: bytes) -> None:
        """Loads a module; `digest` is of its image."""
        if digest not in self._modules:
            self._modules[digest] = created("cuModuleLoadData", image)

    def function(self, name: str) -> int:
        """A function of a loaded module."""
        if name not in self._functions:
            self._functions[name] = self._found(name)
        return self._functions[name]

    def _found(self, name: str) -> int:
        for module in self._modules.values():
            try:
                return created("cuModuleGetFunction", module, name.encode())
            except DriverError as error:
                if error.status != NOT_FOUND:
                    raise
        raise BackendError(
            f"No module on {self._label} has a function '{name}'.", fix="reinstall ermu, or clear its cache"
        )

    @contextmanager
    def capturing(self) -> Iterator[None]:
        """What this thread drops inside is freed at the end: freeing it would spoil the capture.

        So would what others do in the legacy stream: they wait.
        """
        try:
            with legacy_stream(self._index).left_alone():
                self._capturing = threading.get_ident()
                yield
        finally:
            self._capturing = None
            while self._dropped:
                self.free(self._dropped.pop())

    def free(self, address: int) -> None:
        """Frees memory from whatever thread drops it; what a fault took with the context is gone already."""
        if self._capturing == threading.get_ident():
            self._dropped.append(address)
            return
        self._tried(lambda: call("cuMemFree_v2", address))

    def release(self) -> None:
        """Waits for the stream, frees everything, whatever faults there were, and lets the context go."""
        if self._handle is None:
            return
        if self.stream:
            self._tried(lambda: call("cuStreamSynchronize", self.stream))
        for memory in list(self.live):
            memory.free()
        for module in self._modules.values():
            self._tried(lambda module=module: call("cuModuleUnload", module))  # type: ignore[misc]
        for pinned in (*self.staging.take_all(), *self.shared):
            self._tried(pinned.free)
        self._modules.clear()
        self._functions.clear()
        self.shared.clear()
        if self.stream:
            self._tried(lambda: call("cuStreamDestroy_v2", self.stream))
        self._handle = None
        with suppress(DriverError):
            call("cuDevicePrimaryCtxRelease_v2", self._index)

    def _tried(self, work: Callable[[], Any]) -> None:
        """Does what is of no use any more where it fails."""
        if self._handle is not None:
            with suppress(DriverError), self._pushed():
                work()

    @contextmanager
    def _pushed(self) -> Iterator[None]:
        call("cuCtxPushCurrent_v2", self._handle)
        try:
            yield
        finally:
            created("cuCtxPopCurrent_v2")

    def _out_of_memory(self, doing: str) -> BackendError:
        room, free, total = "", ctypes.c_size_t(), ctypes.c_size_t()
        with suppress(DriverError), self._pushed():
            call("cuMemGetInfo_v2", ctypes.byref(free), ctypes.byref(total))
            room = f" ({free.value >> 20} of {total.value >> 20} MB are free)"
        return BackendError(f"{self._label} ran out of memory while {doing}{room}.", fix=LESS_MEMORY)


class Memory:
    """A block of device memory, freed with its last reference; keeps its device open until then.

    Args:
        device: Its device.
        context: The device's.
        nbytes: Its size, not 0; the context must be current.
    """

    def __init__(self, device: object, context: Context, nbytes: int) -> None:
        self._device, self._context, self.nbytes = device, context, 0
        self.address = created("cuMemAlloc_v2", nbytes)
        self.nbytes = nbytes
        context.live.add(self)

    def free(self) -> None:
        """Frees it at once, whoever still refers to it."""
        if self.nbytes:
            self.nbytes = 0
            self._context.free(self.address)

    def __del__(self) -> None:
        self.free()
