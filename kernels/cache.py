"""Where what is compiled at first use is kept, and how it gets there."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from ermu.errors import KernelError


def cache_folder(part: str = "kernels") -> Path:
    """A part of `$ERMU_CACHE`, else of `ermu` in the user's cache folder of this system."""
    chosen = os.environ.get("ERMU_CACHE")
    if chosen:
        return Path(chosen).expanduser() / part
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "ermu" / part
    fallback = Path.home() / ".cache"
    return (
        Path(os.environ.get("LOCALAPPDATA") or os.environ.get("XDG_CACHE_HOME") or fallback) / "ermu" / part
    )


def built_once(file: Path, build: Callable[[Path], object], *, what: str, compiler: str, fix: str) -> Path:
    """A compiled file from the cache, built where it is not there yet.

    Args:
        file: Its path.
        build: Writes it.
        what: Is compiled, for the message.
        compiler: What compiles it, for the message.
        fix: What to do where it cannot be built.

    Raises:
        KernelError: it cannot be built here.
    """
    if not file.exists():
        try:
            build(file)
        except (OSError, ImportError) as error:
            raise unavailable(what, str(error), fix) from error
        except subprocess.CalledProcessError as error:
            raise unavailable(what, f"{compiler} failed: {error.stderr[-2000:]}", fix) from error
    return file


def unavailable(what: str, reason: str, fix: str) -> KernelError:
    """The error for kernels that were not shipped and cannot be had."""
    return KernelError(
        f"The {what} did not come with this installation and cannot be built: {reason}", fix=fix
    )
