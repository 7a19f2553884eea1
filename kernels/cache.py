"""Where what is compiled at first use is kept."""

from __future__ import annotations

import os
import sys
from pathlib import Path


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
