"""NVRTC, CUDA's compiler as a library: from a wheel, without the CUDA toolkit and without a C++ compiler."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator, Sequence
from ctypes import byref, c_char_p, c_size_t, c_void_p
from importlib.util import find_spec
from pathlib import Path
from typing import Any

_FOLDERS = {
    13: ("cu13",),
    12: ("cuda_nvrtc", "cuda_runtime", "cuda_cccl"),
}  # of NVIDIA's wheels, below `nvidia`


def compile_source(source: str, architecture: int, *, major: int, includes: Sequence[Path]) -> bytes:
    """Compiles CUDA C++ for one GPU.

    Args:
        source: A translation unit.
        architecture: Of the GPU, such as 89.
        major: The driver's CUDA version, 12 or 13: code of a later compiler it may not load.
        includes: Folders of headers, before CUDA's own.

    Returns:
        A cubin.

    Raises:
        OSError: there is no such library, it finds no headers, or does not compile the source; says why.
    """
    library, program = _library(major), c_void_p()
    folders = [*includes, *_headers(major)]
    options = [f"--gpu-architecture=sm_{architecture}", "--std=c++17", *(f"-I{folder}" for folder in folders)]
    library.nvrtcCreateProgram(byref(program), source.encode(), b"kernels.cu", 0, None, None)
    try:
        given = (c_char_p * len(options))(*(option.encode() for option in options))
        if library.nvrtcCompileProgram(program, len(options), given):
            log = _read(library, program, "ProgramLog").rstrip(b"\0").decode(errors="replace")
            raise OSError(
                f"NVRTC for CUDA {major} does not compile them for sm_{architecture}: {log[-2000:]}"
            )
        return _read(library, program, "CUBIN")
    finally:
        library.nvrtcDestroyProgram(byref(program))


def _read(library: ctypes.CDLL, program: c_void_p, what: str) -> bytes:
    size = c_size_t()
    getattr(library, f"nvrtcGet{what}Size")(program, byref(size))
    text = ctypes.create_string_buffer(size.value)
    getattr(library, f"nvrtcGet{what}")(program, text)
    return text.raw


def _library(major: int) -> ctypes.CDLL:
    """From NVIDIA's wheels, else from the system."""
    name = f"libnvrtc.so.{major}"
    places: list[Any] = [str(folder / "lib" / name) for folder in _wheels(major)]
    for place in (*places, name):
        try:
            return ctypes.CDLL(place)
        except OSError:
            continue
    raise OSError(f"there is no nvcc, and no {name} (NVRTC) either")


def _headers(major: int) -> list[Path]:
    """Folders of CUDA's headers, of the wheels and of the toolkit."""
    toolkit = Path(os.environ.get("CUDA_HOME", "/usr/local/cuda"))
    return [folder / "include" for folder in (*_wheels(major), toolkit) if (folder / "include").is_dir()]


def _wheels(major: int) -> Iterator[Path]:
    spec = find_spec("nvidia")
    for root in (spec.submodule_search_locations or ()) if spec else ():
        yield from (Path(root) / name for name in _FOLDERS.get(major, (f"cu{major}",)))
