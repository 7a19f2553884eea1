"""Whether OpenCV loads, and what to do where it does not."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import distributions
from typing import Any

from ermu.errors import DependencyError, ErmuError

_SILENT = 0
_WHEEL = "opencv-(contrib-)?python(-headless)?"
# A wheel with windows needs libraries that small containers lack; one without windows needs none of them.
_BROKEN = (
    "apt install libgl1 libglib2.0-0; or, where nobody needs a window: "
    "pip uninstall -y opencv-python && pip install opencv-python-headless"
)


def opencv_error() -> ErmuError | None:
    """What keeps OpenCV from loading, with the way out; None where it loads."""
    try:
        import cv2  # noqa: F401
    except (ImportError, OSError) as error:
        if isinstance(error, ModuleNotFoundError) and error.name == "cv2":
            return DependencyError("opencv-python-headless", "ERMU", "headless")
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        return ErmuError(f"OpenCV is installed and does not load: {reason}.", fix=_BROKEN)
    return None


def opencv_wheels() -> list[str]:
    """Installed packages that bring OpenCV; of several, the last one overwrote the others' files."""
    names = {(distribution.metadata["Name"] or "").lower() for distribution in distributions()}
    return sorted(name for name in names if re.fullmatch(_WHEEL, name))


@contextmanager
def quiet_opencv() -> Iterator[None]:
    """What OpenCV says on the terminal of a source that it cannot open is said by our own error."""
    import cv2

    log: Any = cv2 if hasattr(cv2, "setLogLevel") else cv2.utils.logging  # OpenCV 4; 5
    level = log.getLogLevel()
    log.setLogLevel(_SILENT)
    try:
        yield
    finally:
        log.setLogLevel(level)


def need_opencv() -> None:
    """Loads OpenCV.

    Raises:
        DependencyError: it is not installed.
        ErmuError: a library of the system's that it needs is not.
    """
    error = opencv_error()
    if error is not None:
        raise error
