"""The CUDA driver library itself, for what pycuda lacks."""

from __future__ import annotations

import ctypes
import sys
from functools import cache
from typing import Any

from ermu.errors import BackendError


def call_driver(function: str, *arguments: Any) -> None:
    """Calls a function of the driver with ctypes values.

    Raises:
        BackendError: it does not return success.
    """
    status = getattr(_library(), function)(*arguments)
    if status:
        raise BackendError(f"{function} failed with CUDA error {status}.", fix="ermu doctor")


@cache
def _library() -> ctypes.CDLL:
    return ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
