"""Finds the compiled CUDA kernels: those that came with the package, else those built once and cached."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from ermu.devices.driver.compiler import compile_source
from ermu.devices.driver.library import created
from ermu.kernels.cache import built_once, cache_folder
from ermu.kernels.cuda import build

SHIPPED = Path(__file__).parent / "ermu.fatbin"


def fatbin(architecture: int | None = None) -> Path:
    """The compiled kernels: as shipped, else from the cache, else compiled now.

    Args:
        architecture: Of the GPU that is to run them, such as 89, to compile for it alone; default, for every
            architecture that nvcc knows, which takes ten times as long.

    Raises:
        KernelError: none was shipped and none can be compiled here.
    """
    if SHIPPED.exists():
        return SHIPPED
    which, hashed = ("all", build.ARCHITECTURES) if architecture is None else (architecture, (architecture,))
    file = cache_folder() / f"cuda-{which}-{build.fingerprint(hashed)}.fatbin"
    if architecture is None:
        return _built(file, lambda path: build.compile_fatbin(path))
    return _built(file, lambda path: _compile_for_device(path, architecture))


def _compile_for_device(destination: Path, architecture: int) -> None:
    """By nvcc, else by NVRTC."""
    if build.nvcc() is not None:
        build.compile_for_device(destination, architecture)
        return
    major = created("cuDriverGetVersion") // 1000
    cubin = compile_source(build.translation_unit(), architecture, major=major, includes=[build.SOURCE])
    destination.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=destination.parent) as folder:
        built = Path(folder) / destination.name
        built.write_bytes(cubin)
        built.replace(destination)


def _built(file: Path, compile_file: Callable[[Path], object]) -> Path:
    fix = "pip install 'ermu[cuda13]' (or cuda12, as the driver is), or install the CUDA toolkit"
    return built_once(file, compile_file, what="CUDA kernels", compiler="nvcc", fix=fix)
