"""Finds the compiled CPU kernels: the binary that came with the package, else one built once and cached."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from functools import lru_cache
from pathlib import Path
from types import ModuleType

from ermu.errors import OptionError
from ermu.kernels.cache import built_once, cache_folder, unavailable
from ermu.kernels.cpu import build

MODULE = "ermu.kernels.cpu._native"
_WHAT = "CPU kernels"
_FIX = "install a C++17 compiler and 'pip install pybind11', or set ERMU_KERNELS=numpy"


@lru_cache(maxsize=1)
def native() -> ModuleType:
    """The compiled module.

    Raises:
        KernelError: it did not come with the package and cannot be built here.
    """
    try:
        return importlib.import_module(MODULE)
    except ImportError:
        return _load(_cached_library())


def instruction_set(wanted: str | None = None) -> str:
    """The instruction set asked for, or the best that this processor runs.

    Raises:
        KernelError: the library cannot be had.
        OptionError: it has no such instruction set here.
    """
    available: list[str] = native().isas()
    if wanted is not None and wanted not in available:
        raise OptionError(
            f"The CPU kernels have no '{wanted}' here.", expected=f"one of {', '.join(available)}"
        )
    return wanted or available[0]


def _cached_library() -> Path:
    library = cache_folder() / f"cpu-{build.fingerprint()}" / "_native.so"
    return built_once(library, build.compile_library, what=_WHAT, compiler="the compiler", fix=_FIX)


def _load(library: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(MODULE, library)
    if spec is None or spec.loader is None:
        raise unavailable(_WHAT, f"{library} is not a Python extension", _FIX)
    module = importlib.util.module_from_spec(spec)
    sys.modules[MODULE] = module
    spec.loader.exec_module(module)
    return module
