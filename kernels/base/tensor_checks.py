"""Refuses tensors in the same words for every kernel and on every device."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ermu.errors import KernelError
from ermu.types import Array

# What `Device.kernel_argument` gives: a numpy array on the host, a `DeviceTensor` on a GPU.
Tensor = Any

FLOAT_TYPES = (np.dtype(np.float32), np.dtype(np.float16))
LONGEST_SIDE = 32767  # of a frame: OpenCV's own limit


def expect_shape(name: str, tensor: Tensor, expected: Sequence[int]) -> None:
    """Raises `KernelError` unless `tensor` has exactly the expected shape."""
    if tuple(tensor.shape) != tuple(expected):
        raise KernelError(f"{name} has shape {tuple(tensor.shape)}.", expected=f"shape {tuple(expected)}")


def expect_float(name: str, tensor: Tensor) -> None:
    """Raises `KernelError` unless `tensor` is float32 or float16."""
    if np.dtype(tensor.dtype) not in FLOAT_TYPES:
        raise KernelError(
            f"{name} has dtype {np.dtype(tensor.dtype)}.", expected="float32 or float16", fix="cast it first"
        )


def expect_tensor(name: str, tensor: Tensor, shape: Sequence[int], dtype: npt.DTypeLike) -> None:
    """Raises `KernelError` unless `tensor` has exactly the shape and dtype."""
    expect_shape(name, tensor, shape)
    if np.dtype(tensor.dtype) != np.dtype(dtype):
        raise KernelError(
            f"{name} has dtype {np.dtype(tensor.dtype)}.", expected=f"{np.dtype(dtype)}", fix="cast it first"
        )


def expect_output(name: str, tensor: Tensor, shape: Sequence[int], dtype: npt.DTypeLike) -> None:
    """Raises `KernelError` unless a kernel can write the whole of `tensor` in place."""
    expect_tensor(name, tensor, shape, dtype)
    if isinstance(tensor, np.ndarray) and not (tensor.flags.c_contiguous and tensor.flags.writeable):
        raise KernelError(f"{name} cannot be written in place.", expected="a writeable C-contiguous array")


def expect_size(name: str, size_hw: Sequence[int]) -> None:
    """Raises `KernelError` unless both sides are between 1 and 32767."""
    if len(size_hw) != 2 or not all(1 <= side <= LONGEST_SIDE for side in size_hw):
        raise KernelError(f"{name} is {tuple(size_hw)}.", expected=f"(height, width), each 1..{LONGEST_SIDE}")


def nan_found(name: str) -> KernelError:
    """The error for a tensor that holds a NaN or an infinity where a number must be."""
    return KernelError(
        f"{name} holds a value that is not a number.",
        expected="finite values",
        fix="if the network runs in fp16, look for an overflow there",
    )


def expect_finite(**arrays: Array) -> None:
    """Raises `KernelError` where one of the named arrays holds a NaN or an infinity."""
    for name, array in arrays.items():
        if not np.isfinite(array).all():
            raise nan_found(name)
