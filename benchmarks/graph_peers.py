"""The bundle's graphs in other hands: ONNX Runtime as it comes without optimisation, and OpenVINO."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ermu.errors import BackendError, DependencyError
from ermu.runtime.backend import DeviceTensor
from ermu.runtime.bundle import Bundle
from ermu.runtime.host_memory import HostBackend

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


class OpenVinoBackend(HostBackend):
    """OpenVINO on the same graphs in float32, compiled for the exact shapes: again whenever T changes.

    Args:
        bundle: Its graphs are compiled when they are first run.
        threads: For each graph.
    """

    def __init__(self, bundle: Bundle, *, threads: int) -> None:
        try:
            import openvino
        except ImportError as error:
            raise DependencyError("openvino", "The peer openvino", "openvino") from error
        self._bundle, self._openvino = bundle, openvino
        self._core = openvino.Core()
        self._settings = {
            "INFERENCE_PRECISION_HINT": "f32",
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_NUM_THREADS": str(threads),
        }
        self._requests: dict[str, tuple[object, Any]] = {}

    def run(self, graph: str, inputs: Tensors, outputs: Tensors) -> None:
        request = self._request(graph, inputs)
        for name, tensor in (*inputs.items(), *outputs.items()):
            request.set_tensor(name, self._openvino.Tensor(self.for_kernels(tensor), shared_memory=True))
        try:
            request.infer()
        except RuntimeError as error:
            raise BackendError(f"Graph {graph} failed in OpenVINO: {error}") from error

    def close(self) -> None:
        self._requests.clear()

    def _request(self, graph: str, inputs: Tensors) -> Any:
        shapes = {name: list(tensor.shape) for name, tensor in inputs.items()}
        compiled_for, request = self._requests.get(graph, (None, None))
        if compiled_for != shapes:
            model = self._core.read_model(str(self._bundle.graph_path(graph)))
            model.reshape(shapes)
            request = self._core.compile_model(model, "CPU", self._settings).create_infer_request()
            self._requests[graph] = (shapes, request)
        return request
