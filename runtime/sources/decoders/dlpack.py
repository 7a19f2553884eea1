"""Where a plane lies that PyAV hands out by DLPack, read without a library for it."""

from __future__ import annotations

import ctypes
from ctypes import POINTER, c_int32, c_int64, c_uint8, c_uint16, c_uint64, c_void_p
from typing import Any

import numpy as np

from ermu.devices.tensor import DeviceTensor
from ermu.errors import SourceError

_CUDA = 2  # kDLCUDA


class _Tensor(ctypes.Structure):
    """DLTensor of DLPack, which begins the DLManagedTensor in a capsule."""

    _fields_ = (
        ("data", c_void_p),
        ("device_type", c_int32),
        ("device_id", c_int32),
        ("dimensions", c_int32),
        ("code", c_uint8),
        ("bits", c_uint8),
        ("lanes", c_uint16),
        ("shape", POINTER(c_int64)),
        ("strides", POINTER(c_int64)),
        ("byte_offset", c_uint64),
    )


def plane_of(capsule: Any, owner: object) -> DeviceTensor:
    """Rows of bytes on a GPU: uint8 (rows, bytes from one to the next); `owner` keeps them alive.

    Raises:
        SourceError: it holds no rows of bytes on a GPU.
    """
    address = _pointer(capsule, b"dltensor")
    tensor = ctypes.cast(address, POINTER(_Tensor)).contents
    rows_of_bytes = tensor.bits == 8 and tensor.dimensions in (2, 3) and bool(tensor.strides)
    if tensor.device_type != _CUDA or not rows_of_bytes:
        raise SourceError(
            f"A decoder's plane is of {tensor.bits} bits in {tensor.dimensions} dimensions, "
            f"on a device of kind {tensor.device_type}.",
            expected=f"rows of bytes on a device of kind {_CUDA} (CUDA)",
        )
    shape = int(tensor.shape[0]), int(tensor.strides[0])
    return DeviceTensor(int(tensor.data) + int(tensor.byte_offset), shape, np.dtype(np.uint8), owner)


_pointer = ctypes.pythonapi.PyCapsule_GetPointer
_pointer.argtypes, _pointer.restype = [ctypes.py_object, ctypes.c_char_p], c_void_p
