"""Opens the backend that a device and an engine need."""

from __future__ import annotations

from ermu.errors import BackendError
from ermu.kernels.base.attention import Attention, load_attention
from ermu.runtime.backends.base import Backend
from ermu.runtime.bundle.bundle import BF16, Bundle

DEVICES = ("cpu", "cuda")
ENGINES = ("onnxruntime", "openvino", "tensorrt", "tensorrt-rtx")


def open_backend(
    bundle: Bundle, *, device: str = "cpu", engine: str = "onnxruntime", threads: int | None = None
) -> Backend:
    """A backend with the bundle's graphs open.

    Args:
        bundle: Verified, at the precision to run.
        device: One of `DEVICES`.
        engine: One of `ENGINES`; OpenVINO runs on `cpu` only, the TensorRTs on `cuda` only, where they need
            engines that `ermu build` made.
        threads: CPU threads for each graph; default, the processors that this process may use.

    Raises:
        BackendError: the device or engine is unknown, does not load, or the bundle has no engine for it.
        DependencyError: it is not installed.
    """
    if device not in DEVICES:
        raise BackendError(f"Unknown device '{device}'.", expected=f"one of {', '.join(DEVICES)}")
    if engine not in ENGINES:
        raise BackendError(f"Unknown engine '{engine}'.", expected=f"one of {', '.join(ENGINES)}")
    return (_on_cuda if device == "cuda" else _on_cpu)(bundle, engine, threads)


def _on_cpu(bundle: Bundle, engine: str, threads: int | None) -> Backend:
    if engine.startswith("tensorrt"):
        raise BackendError(f"The engine {engine} does not run on the CPU.", fix="--device cuda")
    attention = _attention(bundle, threads)
    if engine == "openvino":
        from ermu.runtime.backends.libraries.openvino import OpenVinoBackend

        return OpenVinoBackend(bundle, threads=threads, attention=attention)
    if bundle.manifest.precision == BF16 and attention is None:
        raise BackendError("Nothing here computes in bf16.", fix="--engine openvino, or --precision fp32")
    from ermu.runtime.backends.libraries.onnxruntime import OnnxRuntimeCpuBackend

    return OnnxRuntimeCpuBackend(bundle, threads=threads, attention=attention)


def _on_cuda(bundle: Bundle, engine: str, threads: int | None) -> Backend:
    if engine == "openvino" or bundle.manifest.precision == BF16:
        what = "The engine openvino" if engine == "openvino" else "The precision bf16"
        raise BackendError(f"{what} is for the CPU.", fix="--device cpu")
    if engine != "onnxruntime":
        from ermu.runtime.backends.libraries.tensorrt import TensorRTBackend

        return TensorRTBackend(bundle, engine)
    from ermu.runtime.backends.libraries.onnxruntime import OnnxRuntimeCudaBackend

    return OnnxRuntimeCudaBackend(bundle, threads=threads)


def _attention(bundle: Bundle, threads: int | None) -> Attention | None:
    """Our own attention, where it is compiled and the bundle has `propagate` in parts at this precision."""
    manifest = bundle.manifest
    if not manifest.split or manifest.precision == "fp16":
        return None
    attention = load_attention(threads)
    if attention is not None and manifest.precision not in attention.precisions:
        raise BackendError(
            f"This processor has no instructions for {manifest.precision}.",
            expected=f"one of {', '.join(attention.precisions)}",
        )
    return attention
