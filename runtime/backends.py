"""Opens the backend that a device and an engine need."""

from __future__ import annotations

from ermu.errors import BackendError

from .backend import Backend
from .bundle import Bundle

DEVICES = ("cpu", "cuda")
ENGINES = ("onnxruntime", "tensorrt", "tensorrt-rtx")


def open_backend(
    bundle: Bundle, *, device: str = "cpu", engine: str = "onnxruntime", threads: int | None = None
) -> Backend:
    """A backend with the bundle's graphs open.

    Args:
        bundle: Verified, at the precision to run.
        device: One of `DEVICES`.
        engine: One of `ENGINES`; the TensorRTs run on `cuda` only and need engines that `ermu build` made.
        threads: CPU threads for each graph; default, the machine's cores.

    Raises:
        BackendError: the device or engine is unknown, does not load, or the bundle has no engine for it.
        DependencyError: it is not installed.
    """
    if device not in DEVICES:
        raise BackendError(f"Unknown device '{device}'.", expected=f"one of {', '.join(DEVICES)}")
    if engine not in ENGINES:
        raise BackendError(f"Unknown engine '{engine}'.", expected=f"one of {', '.join(ENGINES)}")
    if engine != "onnxruntime":
        if device == "cpu":
            raise BackendError(f"The engine {engine} does not run on the CPU.", fix="--device cuda")
        from .tensorrt_backend import TensorRTBackend

        return TensorRTBackend(bundle, engine)
    from .onnxruntime_backend import OnnxRuntimeCpuBackend, OnnxRuntimeCudaBackend

    return (OnnxRuntimeCudaBackend if device == "cuda" else OnnxRuntimeCpuBackend)(bundle, threads=threads)
