"""Finds the compiled CUDA kernels: the fatbin that came with the package, else one built once and cached."""

from __future__ import annotations

import subprocess
from pathlib import Path

from ermu.errors import KernelError
from ermu.kernels.cache import cache_folder
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
    if not file.exists():
        try:
            if architecture is None:
                build.compile_fatbin(file)
            else:
                build.compile_for_device(file, architecture)
        except OSError as error:
            raise _unavailable(str(error)) from error
        except subprocess.CalledProcessError as error:
            raise _unavailable(f"nvcc failed: {error.stderr[-2000:]}") from error
    return file


def _unavailable(reason: str) -> KernelError:
    return KernelError(
        f"The CUDA kernels did not come with this installation and cannot be built: {reason}",
        fix="install the CUDA toolkit (nvcc), or a wheel built where it exists",
    )
