"""Builds the emulated GPU, once, and says in which environment a process finds it instead of a real one."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from filelock import FileLock

from tests.kernels.cuda import host_device

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
MODULES = HERE / "modules"
BUILT = Path(os.environ.get("ERMU_TEST_CACHE", ROOT / "tests" / ".cache")) / "emulated-gpu"
COMPILE = ["g++", "-std=c++17", "-O1", "-g", "-fPIC", "-Wall", "-Wextra", "-Werror"]


class UnavailableError(Exception):
    """The emulated GPU cannot be built here; says why."""


def missing() -> str | None:
    """What keeps the emulated GPU from being built here; None where nothing does."""
    if sys.platform != "linux":
        return "the emulated GPU is built on Linux only"
    if not shutil.which("g++"):
        return "there is no g++ to build the emulated GPU with"
    header = cuda_home() / "include" / "cuda.h"
    return None if header.is_file() else f"there is no {header}"


def environment() -> dict[str, str]:
    """The environment of a process that is to see the emulated GPU; builds what is not built yet.

    Raises:
        UnavailableError: it cannot be built here.
    """
    if reason := missing():
        raise UnavailableError(reason)
    found = os.environ.copy()
    paths = [str(MODULES), *filter(None, [found.get("PYTHONPATH")]), str(ROOT)]
    return {
        **found,
        "LD_LIBRARY_PATH": str(driver().parent),
        "PYTHONPATH": os.pathsep.join(paths),
        "EMULATED_KERNELS": str(host_device.build()),
        "NVCC": str(HERE / "nvcc"),
        "ERMU_CACHE": str(BUILT / "cache"),
    }


def driver() -> Path:
    """The driver library, kept by what it is made of.

    Beside it lies `libemulated.so`, the same under a name that nobody looks for: for use in this process; and
    `libnvcuvid.so.1`, its video decoder.
    """
    sources = [HERE / f"{name}.cpp" for name in ("driver", "unused", "nvcuvid")]
    made_of = b"".join(source.read_bytes() for source in sources) + " ".join(COMPILE).encode() + b"2"
    folder = BUILT / f"driver-{hashlib.sha256(made_of).hexdigest()[:16]}"

    def make(folder: Path) -> None:
        folder.mkdir()
        compiled = [str(folder / f"{source.stem}.o") for source in sources]
        for source, to in zip(sources, compiled, strict=True):
            _run([*COMPILE, f"-I{cuda_home()}/include", "-c", "-o", to, str(source)])
        *driver, decoder = compiled
        for name in ("libcuda.so.1", "libemulated.so"):
            _run([*COMPILE, "-shared", f"-Wl,-soname,{name}", "-o", str(folder / name), *driver, "-ldl"])
        name = "libnvcuvid.so.1"
        linked = ["-shared", f"-Wl,-soname,{name}", "-o", str(folder / name), decoder]
        _run([*COMPILE, *linked, str(folder / "libcuda.so.1")])

    return _made(folder, make) / "libcuda.so.1"


def _made(path: Path, make: Callable[[Path], None]) -> Path:
    """A folder that `make` writes, once for all processes; an attempt that fails leaves nothing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{path}.lock"):
        if not path.exists():
            part = path.with_name(f"{path.name}.part")
            shutil.rmtree(part, ignore_errors=True)
            make(part)
            part.replace(path)
    return path


def cuda_home() -> Path:
    """Where the CUDA toolkit is."""
    return Path(os.environ.get("CUDA_HOME", "/usr/local/cuda"))


def _run(command: list[str]) -> None:
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    if ran.returncode:
        raise UnavailableError(f"{' '.join(command[:6])} failed: {(ran.stderr or ran.stdout)[-2000:]}")
