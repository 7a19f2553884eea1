"""The bundle's graphs as ONNX Runtime comes, without optimisation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ermu.errors import BackendError, DependencyError
from ermu.runtime.backends.base import DeviceTensor
from ermu.runtime.backends.host import HostBackend
from ermu.runtime.bundle.bundle import Bundle

Tensors = Mapping[str, DeviceTensor]


class PlainOnnxRuntimeBackend(HostBackend):
    """ONNX Runtime on the graphs as exported: graph optimisation off, every other setting its default.

    Args:
        bundle: Its graphs are opened when they are first run.
        threads: For each graph.
    """

    def __init__(self, bundle: Bundle, *, threads: int) -> None:
        try:
            import onnxruntime
        except ImportError as error:
            raise DependencyError("onnxruntime", "The peer onnxruntime-plain", "cpu") from error
        self._bundle, self._runtime = bundle, onnxruntime
        self._settings = onnxruntime.SessionOptions()
        self._settings.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        self._settings.intra_op_num_threads = threads
        self._settings.log_severity_level = 3
        self._sessions: dict[str, Any] = {}

    def run(self, graph: str, inputs: Tensors, outputs: Tensors) -> None:
        session = self._session(graph)
        binding = session.io_binding()
        for name, tensor in inputs.items():
            binding.bind_input(name, "cpu", 0, tensor.dtype, tensor.shape, tensor.address)
        for name, tensor in outputs.items():
            binding.bind_output(name, "cpu", 0, tensor.dtype, tensor.shape, tensor.address)
        try:
            session.run_with_iobinding(binding)
        except Exception as error:  # onnxruntime's exception types share no public base
            raise BackendError(f"Graph {graph} failed in plain ONNX Runtime: {error}") from error

    def close(self) -> None:
        self._sessions.clear()

    def _session(self, graph: str) -> Any:
        if graph not in self._sessions:
            path = str(self._bundle.graph_path(graph))
            self._sessions[graph] = self._runtime.InferenceSession(
                path, self._settings, providers=["CPUExecutionProvider"]
            )
        return self._sessions[graph]
