"""A stand-in for `pycuda.driver` over host memory, as strict about contexts as pycuda and the driver are."""

from __future__ import annotations

import ctypes
import threading
from types import SimpleNamespace
from typing import Any

import numpy as np

MEMORY_BYTES = 1 << 20


class Error(Exception):
    """pycuda's base of all driver errors."""


class MemoryError(Error):
    """There is not enough memory."""


class LogicError(Error):
    """A call that cannot be right."""


class StubDriver:
    """What `CudaDevice` uses of pycuda.

    Attributes:
        in_use: Bytes allocated and not freed.
        retained: Primary contexts retained and not released.
    """

    Error, MemoryError, LogicError = Error, MemoryError, LogicError

    def __init__(self) -> None:
        self.in_use = self.retained = 0
        self._stacks = threading.local()
        self.Context = SimpleNamespace(pop=lambda: self.stack.pop())
        self.Device = _device_class(self)

    @property
    def stack(self) -> list[Any]:
        """Contexts pushed in this thread; pycuda aborts where a thread ends with some."""
        if not hasattr(self._stacks, "held"):
            self._stacks.held = []
        held: list[Any] = self._stacks.held
        return held

    def need_context(self) -> None:
        if not self.stack:
            raise LogicError("invalid device context")

    def mem_alloc(self, nbytes: int) -> _Allocation:
        self.need_context()
        if self.in_use + nbytes > MEMORY_BYTES:
            raise MemoryError("out of memory")
        return _Allocation(self, nbytes)

    def mem_get_info(self) -> tuple[int, int]:
        self.need_context()
        return MEMORY_BYTES - self.in_use, MEMORY_BYTES

    def memcpy_htod_async(self, target: int, source: np.ndarray, stream: _Stream) -> None:
        self.need_context()
        ctypes.memmove(target, source.ctypes.data, source.nbytes)

    def memcpy_dtoh_async(self, target: np.ndarray, source: int, stream: _Stream) -> None:
        self.need_context()
        ctypes.memmove(target.ctypes.data, source, target.nbytes)

    def memcpy_dtod_async(self, target: int, source: int, nbytes: int, stream: _Stream) -> None:
        self.need_context()
        ctypes.memmove(target, source, nbytes)

    def pagelocked_empty(self, nbytes: int, dtype: type) -> np.ndarray:
        self.need_context()
        return np.empty(nbytes, dtype)

    def module_from_buffer(self, image: bytes) -> SimpleNamespace:
        self.need_context()
        if image != b"fatbin":
            raise LogicError("no kernel image is available")
        return SimpleNamespace(get_function=self._function)

    def Stream(self) -> _Stream:  # noqa: N802
        return _Stream(self)

    def Event(self) -> _Stream:  # noqa: N802
        return _Stream(self)

    def _function(self, name: str) -> SimpleNamespace:
        if name != "known":
            raise LogicError("named symbol not found")
        return SimpleNamespace(prepare=lambda form: SimpleNamespace(prepared_async_call=self._launch))

    def _launch(self, grid: Any, block: Any, stream: _Stream, arguments: bytes) -> None:
        self.need_context()
        if 0 in grid:
            raise LogicError("invalid argument")


class _Allocation:
    def __init__(self, driver: StubDriver, nbytes: int) -> None:
        self._driver, self._memory = driver, ctypes.create_string_buffer(nbytes)
        driver.in_use += nbytes

    def __int__(self) -> int:
        return ctypes.addressof(self._memory)

    def free(self) -> None:
        self._driver.need_context()
        self._driver.in_use -= len(self._memory)


class _Stream:
    handle = 7

    def __init__(self, driver: StubDriver) -> None:
        driver.need_context()
        self._driver = driver

    def synchronize(self) -> None:
        self._driver.need_context()

    def is_done(self) -> bool:
        self._driver.need_context()
        return False

    def query(self) -> bool:
        self._driver.need_context()
        return True

    def record(self, stream: _Stream) -> None:
        self._driver.need_context()


class _Primary:
    def __init__(self, driver: StubDriver) -> None:
        self._driver = driver
        driver.retained += 1

    def push(self) -> None:
        self._driver.stack.append(self)

    def detach(self) -> None:
        self._driver.stack.remove(self)
        self._driver.retained -= 1


def _device_class(driver: StubDriver) -> Any:
    class Device:
        @staticmethod
        def count() -> int:
            return 1

        def __init__(self, index: int) -> None:
            self.index = index

        def name(self) -> str:
            return "Stub"

        def compute_capability(self) -> tuple[int, int]:
            return 8, 9

        def retain_primary_context(self) -> _Primary:
            return _Primary(driver)

    return Device
