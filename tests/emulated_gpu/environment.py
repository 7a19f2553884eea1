"""Builds the emulated GPU, once, and says in which environment a process finds it instead of a real one."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Callable
from pathlib import Path

from filelock import FileLock

from tests.kernels.cuda import host_device

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
MODULES = HERE / "modules"
PYCUDA = "pycuda==2026.1"
KEPT = Path(tempfile.gettempdir()) / "ermu-tests"  # what does not depend on this checkout
BUILT = Path(os.environ.get("ERMU_TEST_CACHE", ROOT / "tests" / ".cache")) / "emulated-gpu"
COMPILE = ["g++", "-std=c++17", "-O1", "-g", "-fPIC", "-Wall", "-Wextra", "-Werror"]


class UnavailableError(Exception):
    """The emulated GPU cannot be built here; says why."""


def missing() -> str | None:
    """What keeps the emulated GPU from being built here; None where nothing does."""
    if sys.platform != "linux":
        return "the emulated GPU is built on Linux only"
    if not (shutil.which("g++") and shutil.which("nm")):
        return "there is no g++ to build the emulated GPU with"
    return None if (_cuda() / "include" / "cuda.h").is_file() else f"there is no {_cuda()}/include/cuda.h"


def environment() -> dict[str, str]:
    """The environment of a process that is to see the emulated GPU; builds what is not built yet.

    Raises:
        UnavailableError: it cannot be built here.
    """
    if reason := missing():
        raise UnavailableError(reason)
    packages = pycuda()
    found = os.environ.copy()
    paths = [str(MODULES), str(packages), *filter(None, [found.get("PYTHONPATH")]), str(ROOT)]
    return {
        **found,
        "LD_LIBRARY_PATH": str(driver(packages).parent),
        "PYTHONPATH": os.pathsep.join(paths),
        "EMULATED_KERNELS": str(host_device.build()),
        "NVCC": str(HERE / "nvcc"),
        "ERMU_CACHE": str(BUILT / "cache"),
    }


def driver(packages: Path) -> Path:
    """The driver library, complete: what pycuda links to and the emulation lacks is there and fails."""
    (extension,) = (packages / "pycuda").glob("_driver.*.so")
    return _driver(_undefined(extension))


def pycuda() -> Path:
    """A folder with pycuda and what it needs, built from its sources against the driver library."""
    tag = f"{PYCUDA.replace('==', '-')}-{sysconfig.get_config_var('SOABI')}"
    return _made(KEPT / tag, _install_pycuda)


def _install_pycuda(target: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-q"]
        _run([*pip, "download", "--no-deps", "--no-binary", "pycuda", "-d", folder, PYCUDA])
        (archive,) = Path(folder).glob("*.tar.gz")
        shutil.unpack_archive(archive, folder)
        source = Path(folder) / archive.name.removesuffix(".tar.gz")
        places = {"CUDA_ROOT": str(_cuda()), "CUDADRV_LIB_DIR": [str(_driver(()).parent)]}
        switched_off = {"CUDA_ENABLE_CURAND": False, "CUDA_ENABLE_GL": False}
        settings = {**places, **switched_off}.items()
        (source / "siteconf.py").write_text("".join(f"{name} = {value!r}\n" for name, value in settings))
        quick = {**os.environ, "CFLAGS": "-O0 -g0", "CXXFLAGS": "-O0 -g0"}
        _run([*pip, "install", "--target", str(target), str(source)], quick)


def _driver(absent: tuple[str, ...]) -> Path:
    """`libcuda.so.1` with a function that fails for each name, kept by what it is made of."""
    source = HERE / "driver.cpp"
    made_of = source.read_bytes() + " ".join([*COMPILE, *absent]).encode()
    folder = BUILT / f"driver-{hashlib.sha256(made_of).hexdigest()[:16]}"

    def make(folder: Path) -> None:
        folder.mkdir()
        stubs = folder / "absent.c"
        stubs.write_text("".join(f"int {name}(void) {{ return 801; }}\n" for name in absent))
        _run(["gcc", "-c", "-fPIC", "-o", str(folder / "absent.o"), str(stubs)])
        include, library = f"-I{_cuda()}/include", str(folder / "libcuda.so.1")
        parts = [str(source), str(folder / "absent.o")]
        _run([*COMPILE, include, "-shared", "-Wl,-soname,libcuda.so.1", "-o", library, *parts, "-ldl"])
        (folder / "libcuda.so").symlink_to("libcuda.so.1")

    return _made(folder, make) / "libcuda.so.1"


def _undefined(extension: Path) -> tuple[str, ...]:
    """The driver's functions that an extension needs and the emulation does not have."""

    def names(file: Path, which: str) -> set[str]:
        listed = _run(["nm", "-D", which, str(file)])
        return {line.split()[-1].split("@")[0] for line in listed.splitlines()}

    needed = {name for name in names(extension, "--undefined-only") if name.startswith("cu")}
    return tuple(sorted(needed - names(_driver(()), "--defined-only")))


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


def _cuda() -> Path:
    return Path(os.environ.get("CUDA_HOME", "/usr/local/cuda"))


def _run(command: list[str], environment: dict[str, str] | None = None) -> str:
    ran = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    if ran.returncode:
        raise UnavailableError(f"{' '.join(command[:6])} failed: {(ran.stderr or ran.stdout)[-2000:]}")
    return ran.stdout
