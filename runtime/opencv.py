"""Whether OpenCV loads, and what to do where it does not."""

from __future__ import annotations

from ermu.errors import ErmuError

# A wheel with windows needs libraries that small containers lack; one without windows needs none of them.
_ABSENT = "pip install opencv-python-headless, or opencv-python for windows"
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
            return ErmuError("OpenCV is not installed.", fix=_ABSENT)
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        return ErmuError(f"OpenCV is installed and does not load: {reason}.", fix=_BROKEN)
    return None


def need_opencv() -> None:
    """Loads OpenCV.

    Raises:
        ErmuError: it is not installed, or a library of the system's that it needs is not.
    """
    error = opencv_error()
    if error is not None:
        raise error
