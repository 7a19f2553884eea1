"""A `Device` that runs the very .cu files on the CPU: builds `cuda_host/host.cpp` and launches through it."""

from __future__ import annotations

import ctypes
import hashlib
import os
import shutil
import subprocess
import tempfile
import weakref
from pathlib import Path

import numpy as np
import numpy.typing as npt

import ermu.kernels.cuda
from ermu.errors import KernelError
from ermu.kernels.cuda.device import Device, DeviceArray

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
    for file in sorted([*HOST.iterdir(), *sources.iterdir()]):
        digest.update(file.name.encode() + file.read_bytes())
    library = Path(tempfile.gettempdir()) / "ermu-tests" / f"cuda-host-{digest.hexdigest()[:16]}.so"
    if not library.exists():
        library.parent.mkdir(exist_ok=True)
        part = library.with_suffix(f".{os.getpid()}")
        command = ["g++", *flags, f"-I{HOST}", f"-I{sources}", str(HOST / "host.cpp"), "-o", str(part)]
        subprocess.run(command, check=True, capture_output=True, text=True)
        part.replace(library)
    return library


class HostDevice(Device):
    """Device memory is the host's heap; launches return when every block has run."""

    def __init__(self, library: Path) -> None:
        self._library = ctypes.CDLL(str(library))
        self._library.host_alloc.restype = ctypes.c_void_p
        self._library.host_alloc.argtypes = [ctypes.c_size_t]
        self._library.host_free.argtypes = [ctypes.c_void_p]
        self._library.host_launch.argtypes = [ctypes.c_char_p, *3 * [ctypes.c_void_p], ctypes.c_size_t]

    def empty(self, shape: tuple[int, ...], dtype: npt.DTypeLike) -> DeviceArray:
        kind = np.dtype(dtype)
        address = self._library.host_alloc(max(int(np.prod(shape)) * kind.itemsize, 1))
        held = DeviceArray(address, tuple(shape), kind)
        weakref.finalize(held, self._library.host_free, address)
        return held

    def upload(self, array: npt.NDArray[np.generic]) -> DeviceArray:
        held = self.empty(array.shape, array.dtype)
        ctypes.memmove(held.address, np.ascontiguousarray(array).ctypes.data, held.nbytes)
        return held

    def download(self, array: DeviceArray) -> npt.NDArray[np.generic]:
        out = np.empty(array.shape, dtype=array.dtype)
        ctypes.memmove(out.ctypes.data, array.address, array.nbytes)
        return out

    def launch(
        self, kernel: str, grid: tuple[int, int, int], block: tuple[int, int, int], params: ctypes.Structure
    ) -> None:
        sizes = (ctypes.c_uint * 3)(*grid), (ctypes.c_uint * 3)(*block)
        result = self._library.host_launch(
            kernel.encode(), *sizes, ctypes.byref(params), ctypes.sizeof(params)
        )
        if result:
            raise KernelError(f"{kernel}: {RESULTS[result]}")
