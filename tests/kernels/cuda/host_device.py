"""A GPU made of CPU fibers: builds `cuda_host/host.cpp` with the very .cu files and launches through it."""

from __future__ import annotations

import ctypes
import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

import ermu.kernels.cuda
from ermu.devices.gpu import GpuDevice, Size
from ermu.devices.tensor import DeviceTensor
from ermu.errors import BackendError

HOST = Path(__file__).parent / "cuda_host"
KERNELS = Path(ermu.kernels.cuda.__file__).parent / "src"
FLAGS = [
    "-std=c++17",
    "-O1",
    "-g",
    "-fPIC",
    "-shared",
    "-Wall",
    "-Wextra",
    "-Werror",
    "-Wno-unknown-pragmas",
    "-Wno-clobbered",
]
SANITIZE = ["-fsanitize=address,undefined", "-fno-sanitize-recover=undefined", "-fno-omit-frame-pointer"]
RESULTS = {1: "no such kernel", 2: "the parameters have another size than the kernel's struct"}


def compiler() -> str | None:
    return shutil.which("g++")


def build(sources: Path = KERNELS, *, sanitize: bool = False) -> Path:
    """Compiles the kernels of `sources` for the CPU, or finds them compiled."""
    flags = FLAGS + (SANITIZE if sanitize else [])
    digest = hashlib.sha256(" ".join(flags).encode())
    for folder in (HOST, sources):
        for file in sorted(path for path in folder.rglob("*") if path.is_file()):
            digest.update(str(file.relative_to(folder)).encode() + file.read_bytes())
    library = Path(tempfile.gettempdir()) / "ermu-tests" / f"cuda-host-{digest.hexdigest()[:16]}.so"
    if not library.exists():
        library.parent.mkdir(exist_ok=True)
        part = library.with_suffix(f".{os.getpid()}")
        command = ["g++", *flags, f"-I{HOST}", f"-I{sources}", str(HOST / "host.cpp"), "-o", str(part)]
        subprocess.run(command, check=True, capture_output=True, text=True)
        part.replace(library)
    return library


class FiberDevice(GpuDevice):
    """Device memory is the host's heap, which numpy cannot see; launches return when every block has run.

    Fresh memory is full of NaN, so that nothing can be read before it is written.

    Args:
        library: As `build` gives it.

    Attributes:
        allocations: How many there were.
        launched: Names of the kernels launched, in order.
    """

    name = "cuda"

    def __init__(self, library: Path) -> None:
        self._library = ctypes.CDLL(str(library))
        self._library.host_alloc.restype = ctypes.c_void_p
        self._library.host_alloc.argtypes = [ctypes.c_size_t]
        self._library.host_free.argtypes = [ctypes.c_void_p]
        self._library.host_kernel.restype = ctypes.c_char_p
        self._library.host_kernel.argtypes = [ctypes.c_size_t]
        self._library.host_launch.argtypes = [ctypes.c_char_p, *3 * [ctypes.c_void_p], ctypes.c_size_t]
        self.allocations, self.launched = 0, list[str]()

    def known(self) -> Iterator[str]:
        """Every kernel's name."""
        index = 0
        while name := self._library.host_kernel(index):
            yield name.decode()
            index += 1

    def empty(self, shape: Sequence[int], dtype: npt.DTypeLike) -> DeviceTensor:
        kind = np.dtype(dtype)
        memory = _Memory(self._library, prod(shape) * kind.itemsize)
        self.allocations += 1
        return DeviceTensor(memory.address, tuple(shape), kind, memory)

    def upload(self, array: npt.NDArray[Any], target: DeviceTensor) -> None:
        cast = np.ascontiguousarray(np.broadcast_to(array, target.shape), dtype=target.dtype)
        ctypes.memmove(target.address, cast.ctypes.data, target.nbytes)
        self.uploaded_bytes += target.nbytes

    def download(self, source: DeviceTensor) -> npt.NDArray[Any]:
        out = np.empty(source.shape, dtype=source.dtype)
        ctypes.memmove(out.ctypes.data, source.address, source.nbytes)
        self.downloaded_bytes += source.nbytes
        return out

    def copy(self, source: DeviceTensor, target: DeviceTensor) -> None:
        assert source.nbytes == target.nbytes
        ctypes.memmove(target.address, source.address, source.nbytes)

    def kernel_argument(self, tensor: DeviceTensor) -> DeviceTensor:
        return tensor

    def shared_word(self) -> tuple[npt.NDArray[Any], int]:
        word = np.zeros(1, np.int32)
        return word, word.ctypes.data

    def load_module(self, image: bytes) -> None:
        """The library is the module."""

    def launch(
        self, function: str, grid: Size, block: Size, params: ctypes.Structure, *, once: bool = False
    ) -> None:
        sizes = (ctypes.c_uint * 3)(*grid), (ctypes.c_uint * 3)(*block)
        self.launched.append(function)
        result = self._library.host_launch(
            function.encode(), *sizes, ctypes.byref(params), ctypes.sizeof(params)
        )
        if result:
            raise BackendError(f"{function}: {RESULTS[result]}")


class _Memory:
    def __init__(self, library: ctypes.CDLL, nbytes: int) -> None:
        self._library = library
        self.address: int = library.host_alloc(max(nbytes, 1))
        ctypes.memset(self.address, 0xFF, nbytes)

    def __del__(self) -> None:
        self._library.host_free(self.address)
