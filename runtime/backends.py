"""Opens the backend that a device needs."""

from __future__ import annotations

from ermu.errors import BackendError

from .backend import Backend
from .bundle import Bundle

DEVICES = ("cpu",)


def open_backend(bundle: Bundle, *, device: str = "cpu", threads: int | None = None) -> Backend:
    """A backend with the bundle's graphs open.

    Args:
        bundle: Verified.
        device: One of `DEVICES`.
        threads: CPU threads for each graph; default, the machine's cores.

    Raises:
        BackendError: the device is unknown or its libraries do not load.
    """
    if device == "cpu":
        from .onnxruntime_backend import OnnxRuntimeCpuBackend

        return OnnxRuntimeCpuBackend(bundle, threads=threads)
    raise BackendError(f"Unknown device '{device}'.", expected=f"one of {', '.join(DEVICES)}")
