"""The emulated driver in this process."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator

import pytest

from ermu.devices.driver import library
from tests.emulated_gpu import counters
from tests.emulated_gpu.environment import UnavailableError, environment


@pytest.fixture
def emulated_driver(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The project's CUDA calls go to the emulated GPU, whatever GPU there is."""
    try:
        variables = environment()
    except UnavailableError as error:
        pytest.skip(str(error))
    loaded = ctypes.CDLL(f"{variables['LD_LIBRARY_PATH']}/libemulated.so")
    for name in ("EMULATED_KERNELS", "NVCC", "ERMU_CACHE"):
        monkeypatch.setenv(name, variables[name])
    for module in (library, counters):
        monkeypatch.setattr(module, "_library", lambda: loaded)
    cached = library._function, library.start
    for function in cached:
        function.cache_clear()
    yield
    for function in cached:
        function.cache_clear()
