"""What libraries on the emulated driver share: work that Python does when a stream comes to it."""

from __future__ import annotations

import ctypes
import itertools
import sys
import traceback
from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np

driver = ctypes.CDLL("libcuda.so.1")
driver.emulated_address.restype = ctypes.c_void_p
driver.emulated_address.argtypes = [ctypes.c_uint64, ctypes.c_size_t]
driver.emulated_capturing.argtypes = [ctypes.c_void_p]
_JOB = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_longlong)
driver.emulated_enqueue.argtypes = [ctypes.c_void_p, _JOB, ctypes.c_longlong]
_numbers = itertools.count(1)
_jobs: dict[int, Callable[[], None]] = {}
_kept: set[int] = set()


@_JOB
def _run_job(number: int) -> int:
    try:
        work = _jobs[number] if number in _kept else _jobs.pop(number)
        work()
    except KeyError:
        print("emulated GPU: work of a library's object that is closed was run", file=sys.stderr)
    except Exception:
        traceback.print_exc()
    else:
        return 1
    return 0


def enqueue(stream: int, work: Callable[[], None]) -> int | None:
    """Puts work into a stream.

    Returns:
        A number where it was captured, to be given to `forget` once it must not run any more; else None.

    Raises:
        RuntimeError: the driver refuses.
    """
    number, captured = next(_numbers), capturing(stream)
    _jobs[number] = work
    if captured:
        _kept.add(number)
    if status := driver.emulated_enqueue(stream, _run_job, number):
        raise RuntimeError(f"CUDA error {status}")
    return number if captured else None


def forget(number: int) -> None:
    """Captured work is gone: a graph that still runs it fails."""
    _jobs.pop(number, None)


def capturing(stream: int) -> bool:
    """Whether the stream records."""
    return bool(driver.emulated_capturing(stream))


def view(address: int, shape: tuple[int, ...], dtype: np.dtype[Any]) -> np.ndarray[Any, Any]:
    """Device memory as an array.

    Raises:
        RuntimeError: these bytes are not allocated.
    """
    nbytes = prod(shape) * dtype.itemsize
    host = driver.emulated_address(address, nbytes)
    if not host:
        raise RuntimeError(f"{nbytes} bytes at {address:#x} are not the device's")
    return np.frombuffer((ctypes.c_char * nbytes).from_address(host), dtype).reshape(shape)
