"""The ONNX Runtime backends: CPU, and CUDA where its provider really loads."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from ermu.devices.processors import usable_processors
from ermu.errors import BackendError, DependencyError
from ermu.kernels.base.attention import Attention
from ermu.runtime.backends.base import DeviceTensor
from ermu.runtime.backends.cuda import CudaBackend
from ermu.runtime.backends.host import HostBackend
from ermu.runtime.bundle.bundle import Bundle

Tensors = Mapping[str, DeviceTensor]


class OnnxRuntimeCpuBackend(HostBackend):
    """Graphs on the CPU.

    Args:
        bundle: Its graphs are opened at once, so that a broken one is noticed before the first frame.
        threads: Threads for each graph; default, the processors that this process may use.
        attention: Reads the memories between the parts of `propagate`; None runs it in one graph.
    """

    def __init__(
        self, bundle: Bundle, *, threads: int | None = None, attention: Attention | None = None
    ) -> None:
        self.bring(attention, bundle, threads)
        graphs = bundle if attention is None else bundle.in_parts()
        self._sessions = _Sessions(graphs, "cpu", threads, "CPUExecutionProvider", {})

    def run(self, graph: str, inputs: Tensors, outputs: Tensors) -> None:
        self._sessions.run(graph, inputs, outputs)

    def close(self) -> None:
        self._sessions.close()


class OnnxRuntimeCudaBackend(CudaBackend):
    """Graphs on a GPU, in this backend's own stream, bound by address as on the CPU.

    Args:
        bundle: Its graphs are opened at once.
        threads: Host threads for each graph; default, the processors that this process may use.
    """

    def __init__(self, bundle: Bundle, *, threads: int | None = None) -> None:
        super().__init__()
        options = {"device_id": "0", "user_compute_stream": str(self.cuda.stream)}
        try:
            self._sessions = _Sessions(bundle, "cuda", threads, "CUDAExecutionProvider", options)
        except BaseException:
            self.cuda.close()
            raise

    def run(self, graph: str, inputs: Tensors, outputs: Tensors) -> None:
        self._sessions.run(graph, inputs, outputs)

    def close(self) -> None:
        self._sessions.close()
        super().close()


class _Sessions:
    """A session for each graph of a bundle, reading and writing tensors where they are."""

    def __init__(
        self, bundle: Bundle, device: str, threads: int | None, provider: str, options: dict[str, str]
    ) -> None:
        self._device = device
        self._sessions = {
            name: _open(bundle, name, provider, options, threads) for name in bundle.manifest.graphs
        }
        self._bindings = {name: session.io_binding() for name, session in self._sessions.items()}

    def run(self, graph: str, inputs: Tensors, outputs: Tensors) -> None:
        binding = self._bindings[graph]
        for name, tensor in inputs.items():
            binding.bind_input(name, self._device, 0, tensor.dtype, tensor.shape, tensor.address)
        for name, tensor in outputs.items():
            binding.bind_output(name, self._device, 0, tensor.dtype, tensor.shape, tensor.address)
        try:
            self._sessions[graph].run_with_iobinding(binding)
        except Exception as error:  # onnxruntime's exception types share no public base
            raise BackendError(f"Graph {graph} failed in ONNX Runtime: {error}") from error

    def close(self) -> None:
        self._bindings.clear()
        self._sessions.clear()


@lru_cache(maxsize=1)
def _share_arena(onnxruntime: Any) -> None:
    """One arena for all sessions: graphs that take turns need the largest one's memory, not the sum."""
    memory = onnxruntime.OrtMemoryInfo(
        "Cpu", onnxruntime.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, onnxruntime.OrtMemType.DEFAULT
    )
    unlimited, as_requested, default = 0, 1, -1
    onnxruntime.create_and_register_allocator(
        memory, onnxruntime.OrtArenaCfg(unlimited, as_requested, default, default)
    )


def _open(bundle: Bundle, graph: str, provider: str, options: dict[str, str], threads: int | None) -> Any:
    try:
        import onnxruntime
    except ImportError as error:
        extra = "cpu" if provider.startswith("CPU") else "gpu"
        raise DependencyError("onnxruntime", f"Running a bundle with {provider}", extra) from error
    settings = onnxruntime.SessionOptions()
    settings.log_severity_level = 3
    settings.intra_op_num_threads = threads or usable_processors()
    # Sessions take turns, so a pool that spins after its graph has ended steals cores from the next graph.
    settings.add_session_config_entry("session.intra_op.allow_spinning", "0")
    if provider.startswith("CPU"):
        _share_arena(onnxruntime)
        settings.add_session_config_entry("session.use_env_allocators", "1")
        settings.enable_mem_pattern = False  # would hold each graph's largest frame for itself
    path = bundle.graph_path(graph)
    try:
        session = onnxruntime.InferenceSession(str(path), settings, providers=[(provider, options)])
    except Exception as error:  # onnxruntime's exception types share no public base
        raise BackendError(f"ONNX Runtime {onnxruntime.__version__} cannot open {path}: {error}") from error
    if provider not in session.get_providers():
        raise BackendError(
            f"ONNX Runtime did not load {provider}; it fell back to {', '.join(session.get_providers())}.",
            fix="run with --device cpu, or install 'ermu[gpu]' with a CUDA driver (`ermu doctor` tells)",
        )
    return session
