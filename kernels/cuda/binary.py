"""Finds the compiled CUDA kernels: the fatbin that came with the package, else one built once and cached."""

from __future__ import annotations

import subprocess
from pathlib import Path

from ermu.errors import KernelError
from ermu.kernels.cache import cache_folder
from ermu.kernels.cuda import build

SHIPPED = Path(__file__).parent / "ermu.fatbin"


def fatbin() -> Path:
    """The compiled kernels: as shipped, else from the cache, else compiled now for the architectures known.

    Raises:
        KernelError: none was shipped and none can be compiled here.
    """
    if SHIPPED.exists():
        return SHIPPED
    file = cache_folder() / f"cuda-{build.fingerprint()}.fatbin"
    if not file.exists():
        try:
            build.compile_fatbin(file)
        except OSError as error:
            raise _unavailable(str(error)) from error
        except subprocess.CalledProcessError as error:
            raise _unavailable(f"nvcc failed: {error.stderr[-2000:]}") from error
    return file


def _unavailable(reason: str) -> KernelError:
    return KernelError(
        f"The CUDA kernels did not come with this installation and cannot be built: {reason}",
        fix="install the CUDA toolkit 13 (nvcc), or a wheel built where it exists",
    )
