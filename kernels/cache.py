"""Where binaries compiled at first use are kept."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def cache_folder() -> Path:
    """`$ERMU_CACHE`, else `ermu/kernels` in the user's cache folder of this system."""
    chosen = os.environ.get("ERMU_CACHE")
    if chosen:
        return Path(chosen).expanduser() / "kernels"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "ermu" / "kernels"
    fallback = Path.home() / ".cache"
    return (
        Path(os.environ.get("LOCALAPPDATA") or os.environ.get("XDG_CACHE_HOME") or fallback)
        / "ermu"
        / "kernels"
    )
