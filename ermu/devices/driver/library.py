"""The CUDA driver's own library, called through ctypes: no package in between has to be built, or to match.

Its functions are versioned (`cuMemAlloc_v2`) and stay as they are from CUDA 12 to 13 and later.
"""

from __future__ import annotations

import ctypes
import sys
from ctypes import POINTER, byref, c_char_p, c_int, c_size_t, c_uint, c_ulonglong, c_void_p
from functools import cache
from typing import Any

from ermu.errors import BackendError

OUT_OF_MEMORY, NOT_FOUND, NOT_READY = 2, 500, 600  # of CUresult

_ADDRESS = c_ulonglong  # CUdeviceptr
_HANDLE, _TO_HANDLE = c_void_p, POINTER(c_void_p)
# What the project calls, with the types of the arguments as `cuda.h` has them.
SIGNATURES: dict[str, tuple[Any, ...]] = {
    "cuInit": (c_uint,),
    "cuDriverGetVersion": (POINTER(c_int),),
    "cuGetErrorString": (c_int, POINTER(c_char_p)),
    "cuDeviceGetCount": (POINTER(c_int),),
    "cuDeviceGet": (POINTER(c_int), c_int),
    "cuDeviceGetName": (c_char_p, c_int, c_int),
    "cuDeviceGetAttribute": (POINTER(c_int), c_int, c_int),
    "cuDeviceTotalMem_v2": (POINTER(c_size_t), c_int),
    "cuDevicePrimaryCtxRetain": (_TO_HANDLE, c_int),
    "cuDevicePrimaryCtxRelease_v2": (c_int,),
    "cuDevicePrimaryCtxReset_v2": (c_int,),
    "cuDevicePrimaryCtxSetFlags_v2": (c_int, c_uint),
    "cuCtxPushCurrent_v2": (_HANDLE,),
    "cuCtxPopCurrent_v2": (_TO_HANDLE,),
    "cuMemGetInfo_v2": (POINTER(c_size_t), POINTER(c_size_t)),
    "cuMemAlloc_v2": (POINTER(_ADDRESS), c_size_t),
    "cuMemFree_v2": (_ADDRESS,),
    "cuMemHostAlloc": (_TO_HANDLE, c_size_t, c_uint),
    "cuMemFreeHost": (_HANDLE,),
    "cuMemHostGetDevicePointer_v2": (POINTER(_ADDRESS), _HANDLE, c_uint),
    "cuMemcpyHtoDAsync_v2": (_ADDRESS, _HANDLE, c_size_t, _HANDLE),
    "cuMemcpyDtoHAsync_v2": (_HANDLE, _ADDRESS, c_size_t, _HANDLE),
    "cuMemcpyDtoDAsync_v2": (_ADDRESS, _ADDRESS, c_size_t, _HANDLE),
    "cuStreamCreate": (_TO_HANDLE, c_uint),
    "cuStreamDestroy_v2": (_HANDLE,),
    "cuStreamQuery": (_HANDLE,),
    "cuStreamSynchronize": (_HANDLE,),
    "cuStreamBeginCapture_v2": (_HANDLE, c_int),
    "cuStreamEndCapture": (_HANDLE, _TO_HANDLE),
    "cuEventCreate": (_TO_HANDLE, c_uint),
    "cuEventDestroy_v2": (_HANDLE,),
    "cuEventRecord": (_HANDLE, _HANDLE),
    "cuEventQuery": (_HANDLE,),
    "cuEventSynchronize": (_HANDLE,),
    "cuModuleLoadData": (_TO_HANDLE, c_char_p),
    "cuModuleUnload": (_HANDLE,),
    "cuModuleGetFunction": (_TO_HANDLE, _HANDLE, c_char_p),
    "cuLaunchKernel": (_HANDLE, *7 * (c_uint,), _HANDLE, _TO_HANDLE, _TO_HANDLE),
    "cuGraphInstantiateWithFlags": (_TO_HANDLE, _HANDLE, c_ulonglong),
    "cuGraphLaunch": (_HANDLE, _HANDLE),
    "cuGraphExecDestroy": (_HANDLE,),
    "cuGraphDestroy": (_HANDLE,),
}


class DriverError(Exception):
    """A function of the driver did not return success.

    Args:
        function: Its name.
        status: The CUresult.
    """

    def __init__(self, function: str, status: int) -> None:
        self.status = status
        super().__init__(f"{_said(status)} (CUDA error {status} of {function})")


def call(function: str, *arguments: Any) -> None:
    """Calls one of `SIGNATURES`.

    Raises:
        BackendError: there is no driver, or it is too old to have the function.
        DriverError: it does not return success.
    """
    status: int = _function(function)(*arguments)
    if status:
        raise DriverError(function, status)


def is_done(function: str, handle: int | None) -> bool:
    """Asks one of the `Query` functions whether the work before is done.

    Raises:
        DriverError: it answers neither yes nor no.
    """
    status: int = _function(function)(handle)
    if status not in (0, NOT_READY):
        raise DriverError(function, status)
    return status == 0


def created(function: str, *arguments: Any) -> int:
    """Calls a function that gives back a handle or an address through its first argument.

    Raises:
        DriverError: it does not return success.
    """
    result = SIGNATURES[function][0]._type_()
    call(function, byref(result), *arguments)
    return int(result.value or 0)


@cache
def start() -> None:
    """Starts the driver.

    Raises:
        BackendError: there is none, or it finds no GPU.
    """
    try:
        call("cuInit", 0)
    except DriverError as error:
        raise BackendError(f"CUDA finds no device: {error}.", fix="ermu doctor") from error


@cache
def _function(name: str) -> Any:
    library = _library()
    try:
        function = getattr(library, name)
    except AttributeError as error:
        raise BackendError(
            f"The NVIDIA driver has no {name}.",
            expected="a driver for CUDA 12 or later",
            fix="update the driver",
        ) from error
    function.argtypes, function.restype = SIGNATURES[name], c_int
    return function


@cache
def _library() -> ctypes.CDLL:
    name = "nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1"
    try:
        return ctypes.CDLL(name)
    except OSError as error:
        raise BackendError(
            f"There is no NVIDIA driver: {error}.", expected=name, fix="nvidia-smi  # must list a GPU"
        ) from error


def _said(status: int) -> str:
    text = c_char_p()
    _function("cuGetErrorString")(status, byref(text))
    return (text.value or b"unknown error").decode()
