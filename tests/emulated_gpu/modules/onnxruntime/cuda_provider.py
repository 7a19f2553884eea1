"""Sessions of the CUDA provider on the emulated GPU: graphs that the CPU's session computes in a stream.

What the real one refuses is refused, and `run_with_iobinding` waits for its stream where the real one does:
always, unless the run's options say `disable_synchronize_execution_providers`.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from typing import Any

import emulated_work as work
import numpy as np

from onnxruntime.capi import _pybind_state as native
from onnxruntime.capi.onnxruntime_inference_collection import InferenceSession as CpuSession

CUDA, CPU = "CUDAExecutionProvider", "CPUExecutionProvider"
OPTIONS = {
    *("device_id", "user_compute_stream", "has_user_compute_stream", "gpu_mem_limit", "use_tf32"),
    *("arena_extend_strategy", "cudnn_conv_algo_search", "cudnn_conv_use_max_workspace", "prefer_nhwc"),
    *("do_copy_in_default_stream", "enable_cuda_graph", "fuse_conv_bias", "sdpa_kernel"),
    *("cudnn_conv1d_pad_to_nc1d", "use_ep_level_unified_stream", "tunable_op_enable"),
}
KINDS = {"tensor(float)": "float32", "tensor(float16)": "float16", "tensor(double)": "float64"}
NO_WAITING = "disable_synchronize_execution_providers"
ARENA_BYTES = 1 << 16
Shape = tuple[int, ...]


def get_available_providers() -> list[str]:
    """With CUDA."""
    return [CUDA, *native.get_available_providers()]


def preload_dlls(cuda: bool = True, cudnn: bool = True, msvc: bool = True, directory: Any = None) -> None:
    """There are no libraries to load."""


class InferenceSession(CpuSession):
    """The CPU's session, or one that computes in a stream of the emulated GPU."""

    def __init__(
        self, path_or_bytes: Any, sess_options: Any = None, providers: Any = None, *rest: Any, **more: Any
    ) -> None:
        named = dict(each if isinstance(each, tuple) else (each, {}) for each in providers or ())
        on_gpu = CUDA in named
        super().__init__(path_or_bytes, sess_options, [CPU] if on_gpu else providers, *rest, **more)
        self._provider = _Provider(named[CUDA]) if on_gpu else None

    def get_providers(self) -> list[str]:
        return [CUDA, CPU] if self._provider else super().get_providers()

    def io_binding(self) -> Any:
        return Binding() if self._provider else super().io_binding()

    def run(self, output_names: Any, input_feed: Any, run_options: Any = None) -> Any:
        if self._provider:
            raise NotImplementedError("the stand-in runs bound memory only")
        return super().run(output_names, input_feed, run_options)

    def run_with_iobinding(self, iobinding: Any, run_options: Any = None) -> None:
        if self._provider:
            self._provider.run(self, iobinding, run_options)
        else:
            super().run_with_iobinding(iobinding, run_options)


@dataclass(frozen=True)
class Bound:
    """A tensor where it lies on the device."""

    dtype: np.dtype[Any]
    shape: Shape
    address: int


class Binding:
    """Device memory by the graph's names."""

    def __init__(self) -> None:
        self.inputs: dict[str, Bound] = {}
        self.outputs: dict[str, Bound] = {}

    def bind_input(self, name: str, place: str, index: int, dtype: Any, shape: Shape, address: int) -> None:
        self.inputs[name] = self._bound(place, index, dtype, shape, address)

    def bind_output(self, name: str, place: str, index: int, dtype: Any, shape: Shape, address: int) -> None:
        self.outputs[name] = self._bound(place, index, dtype, shape, address)

    def _bound(self, place: str, index: int, dtype: Any, shape: Shape, address: int) -> Bound:
        if (place, index) != ("cuda", 0):
            raise NotImplementedError(f"the stand-in takes memory of cuda 0 only, not of {place} {index}")
        return Bound(np.dtype(dtype), tuple(shape), address)


class _Provider:
    """A stream, given or its own, and memory between layers that is taken when shapes first come."""

    def __init__(self, options: dict[str, str]) -> None:
        if unknown := set(options) - OPTIONS:
            raise _failure(f'Unknown provider option: "{sorted(unknown)[0]}".')
        if int(options.get("device_id", 0)) != 0:
            raise _failure(f"Invalid device ID: {options['device_id']}.")
        given = int(options.get("user_compute_stream", 0))
        self._own = None if given else _own_stream()
        self._stream = given or self._own.value
        self._arenas: dict[tuple[Shape, ...], ctypes.c_uint64] = {}

    def __del__(self) -> None:
        for arena in getattr(self, "_arenas", {}).values():
            _call("cuMemFree_v2", arena)
        if getattr(self, "_own", None):
            _call("cuStreamDestroy_v2", self._own)

    def run(self, session: InferenceSession, binding: Binding, run_options: Any) -> None:
        """Puts the graph's work into the stream, and waits for it unless told not to."""
        if work.capturing(self._stream):
            raise _failure("the stand-in does not say what a capture of ONNX Runtime's work would do")
        inputs, outputs = dict(binding.inputs), dict(binding.outputs)
        _check("Input", session.get_inputs(), inputs)
        _check("Output", session.get_outputs(), outputs)
        self._take_memory(tuple(bound.shape for bound in inputs.values()))
        with _Current():
            work.enqueue(self._stream, lambda: _execute(session, inputs, outputs))
        if not _says_no_waiting(run_options):
            _call("cuStreamSynchronize", ctypes.c_void_p(self._stream))

    def _take_memory(self, shapes: tuple[Shape, ...]) -> None:
        if shapes in self._arenas:
            return
        arena = ctypes.c_uint64()
        if _call("cuMemAlloc_v2", ctypes.byref(arena), ctypes.c_size_t(ARENA_BYTES)):
            raise _failure(f"Failed to allocate memory for requested buffer of size {ARENA_BYTES}")
        self._arenas[shapes] = arena


def _execute(session: InferenceSession, inputs: dict[str, Bound], outputs: dict[str, Bound]) -> None:
    feeds = {name: work.view(bound.address, bound.shape, bound.dtype) for name, bound in inputs.items()}
    results = CpuSession.run(session, list(outputs), feeds)
    for bound, result in zip(outputs.values(), results, strict=True):
        if bound.shape != result.shape:
            raise RuntimeError(f"OrtValue shape verification failed: {bound.shape}, computed {result.shape}")
        work.view(bound.address, bound.shape, bound.dtype)[...] = result


def _check(kind: str, tensors: Any, bound: dict[str, Bound]) -> None:
    """Names, dtypes and the dimensions that the graph fixes."""
    if unknown := set(bound) - {tensor.name for tensor in tensors}:
        raise _failure(f"Invalid {kind} Name: {sorted(unknown)[0]}")
    for tensor in tensors:
        if tensor.name not in bound:
            raise _failure(f"Missing {kind}: {tensor.name}")
        found, expected = bound[tensor.name], KINDS.get(tensor.type, tensor.type[7:-1])
        if found.dtype != np.dtype(expected):
            raise _failure(f"Unexpected data type of {tensor.name}: {found.dtype}, expected {expected}")
        if len(found.shape) != len(tensor.shape):
            raise _failure(f"Invalid rank for {tensor.name}: {len(found.shape)}, not {len(tensor.shape)}")
        fixed = zip(found.shape, tensor.shape, strict=True)
        if any(isinstance(side, int) and side != here for here, side in fixed):
            raise _failure(f"Got invalid dimensions for {tensor.name}: {found.shape}, not {tensor.shape}")


def _says_no_waiting(run_options: Any) -> bool:
    try:
        return run_options is not None and run_options.get_run_config_entry(NO_WAITING) == "1"
    except RuntimeError:  # the entry was never made
        return False


def _failure(text: str) -> native.RuntimeException:
    return native.RuntimeException(f"[ONNXRuntimeError] : 6 : RUNTIME_EXCEPTION : {text}")


class _Current:
    """The primary context, current in this thread: CUDA's runtime sees to that by itself."""

    def __enter__(self) -> None:
        context = ctypes.c_void_p()
        work.driver.cuDevicePrimaryCtxRetain(ctypes.byref(context), 0)
        work.driver.cuDevicePrimaryCtxRelease_v2(0)
        work.driver.cuCtxPushCurrent_v2(context)

    def __exit__(self, *error: object) -> None:
        work.driver.cuCtxPopCurrent_v2(ctypes.byref(ctypes.c_void_p()))


def _call(function: str, *arguments: Any) -> int:
    with _Current():
        return int(getattr(work.driver, function)(*arguments))


def _own_stream() -> ctypes.c_void_p:
    stream = ctypes.c_void_p()
    _call("cuStreamCreate", ctypes.byref(stream), 1)  # CU_STREAM_NON_BLOCKING
    return stream
