"""Compiles the CPU kernels: each instruction set with its own flags, into one Python extension.

Used by `setup.py` when a wheel is built, and at first use where the package came without a binary. Imports
nothing of ERMU, because it also runs while ERMU is not yet installed.
"""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import subprocess
import sysconfig
import tempfile
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

SOURCE = Path(__file__).parent / "src"
COMMON_FLAGS = ["-std=c++17", "-O3", "-fPIC", "-fvisibility=hidden", "-Wall", "-Wextra", "-pthread"]
AVX512_FLAGS = [
    "-mavx512f",
    "-mavx512bw",
    "-mavx512dq",
    "-mavx512vl",
    "-mavx512vnni",
    "-mfma",
    "-mf16c",
    "-mprefer-vector-width=512",
]
ISA_FLAGS = {
    "X86": {
        "isa/avx512.cpp": AVX512_FLAGS,
        "isa/avx512bf16.cpp": [*AVX512_FLAGS, "-mavx512bf16"],
        "isa/avx2.cpp": ["-mavx2", "-mfma", "-mf16c"],
    },
    "ARM": {"isa/neon.cpp": [], "isa/neon_i8mm.cpp": ["-march=armv8.2-a+i8mm"]},
}


def family() -> str | None:
    """The key of this processor's instruction sets in `ISA_FLAGS`; None, it has none but the portable one."""
    machine = platform.machine().lower()
    return {"x86_64": "X86", "amd64": "X86", "aarch64": "ARM", "arm64": "ARM"}.get(machine)


def sources() -> list[Path]:
    """The files to compile on this processor, those first that take longest."""
    files = sorted(SOURCE.rglob("*.cpp"), key=lambda file: (file.parent.name != "isa", file))
    others = {name for kind, files_of in ISA_FLAGS.items() if kind != family() for name in files_of}
    return [file for file in files if _name(file) not in others]


def flags(source: Path) -> list[str]:
    """Compiler flags of one file."""
    here = family()
    own = [f"-DERMU_{here}", *ISA_FLAGS[here].get(_name(source), [])] if here else []
    return [*COMMON_FLAGS, *own]


def include_dirs() -> list[str]:
    """Header folders: the kernels', Python's and pybind11's; raises ImportError without the latter."""
    import pybind11

    return [str(SOURCE), sysconfig.get_path("include"), pybind11.get_include()]


def compiler() -> str | None:
    """The C++ compiler: $CXX, else c++, g++ or clang++, else None."""
    wanted = [os.environ["CXX"]] if os.environ.get("CXX") else ["c++", "g++", "clang++"]
    return next((found for found in map(shutil.which, wanted) if found), None)


def fingerprint() -> str:
    """Hash of everything that decides the binary: sources, flags, compiler and Python's ABI."""
    digest = hashlib.sha256(str(sysconfig.get_config_var("EXT_SUFFIX")).encode())
    digest.update(str(compiler()).encode())
    for file in sorted(path for path in SOURCE.rglob("*") if path.is_file()):
        digest.update(_name(file).encode() + b"\0" + file.read_bytes() + " ".join(flags(file)).encode())
    return digest.hexdigest()[:16]


def compile_library(destination: Path) -> None:
    """Compiles the sources side by side and links the extension to `destination`, atomically.

    Raises:
        OSError: there is no compiler, or a file cannot be written.
        ImportError: pybind11 is not installed.
        subprocess.CalledProcessError: the compiler failed; its `stderr` says why.
    """
    command = compiler()
    if command is None:
        raise FileNotFoundError("no C++ compiler (c++, g++, clang++ or $CXX) was found")
    compiling = [command, *(f"-I{folder}" for folder in include_dirs())]
    destination.parent.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory(dir=destination.parent) as folder,
        ThreadPoolExecutor(os.cpu_count()) as compilers,
    ):
        objects = list(compilers.map(partial(_compile, compiling, Path(folder)), sources()))
        linked = Path(folder) / destination.name
        _run([command, "-shared", "-pthread", *objects, "-o", str(linked)])
        linked.replace(destination)


def _compile(command: list[str], folder: Path, source: Path) -> str:
    """The object file of one source."""
    compiled = str(folder / f"{_name(source).replace('/', '-')}.o")
    _run([*command, *flags(source), "-c", str(source), "-o", compiled])
    return compiled


def _name(file: Path) -> str:
    """A source's path below `SOURCE`, with slashes everywhere."""
    return file.relative_to(SOURCE).as_posix()


def _run(command: list[str]) -> None:
    subprocess.run(command, check=True, capture_output=True, text=True)
