"""The bundle's graphs as ONNX Runtime comes."""

from __future__ import annotations

from typing import Any

from ermu.errors import BackendError, DependencyError
from ermu.runtime.backends.base import Backend, Misfit, Opening, Tensors
from ermu.runtime.bundle.bundle import Bundle
from ermu.runtime.bundle.manifest import WHOLE


class DefaultOnnxRuntimeBackend(Backend):
    """ONNX Runtime on the graphs as exported, every graph optimisation on and every setting its default.

    Args:
        opening: On the host; graphs are opened when they are first run.
    """

    name = "onnxruntime as it comes"
    devices = ("cpu",)
    plans = (WHOLE,)

    def __init__(self, opening: Opening) -> None:
        super().__init__(opening)
        try:
            import onnxruntime
        except ImportError as error:
            raise DependencyError("onnxruntime", "The peer onnxruntime", "cpu") from error
        self._runtime = onnxruntime
        self._settings = onnxruntime.SessionOptions()
        self._settings.intra_op_num_threads = opening.threads
        self._settings.log_severity_level = 3
        self._sessions: dict[str, Any] = {}

    @classmethod
    def misfits(cls, bundle: Bundle | None, device: str) -> list[Misfit]:
        """See `Backend.misfits`: it is opened by a peer, which looks for ONNX Runtime."""
        return []

    def _run(self, graph: str, inputs: Tensors, outputs: Tensors) -> None:
        session = self._session(graph)
        binding = session.io_binding()
        for name, tensor in inputs.items():
            binding.bind_input(name, "cpu", 0, tensor.dtype, tensor.shape, tensor.address)
        for name, tensor in outputs.items():
            binding.bind_output(name, "cpu", 0, tensor.dtype, tensor.shape, tensor.address)
        try:
            session.run_with_iobinding(binding)
        except Exception as error:  # onnxruntime's exception types share no public base
            raise BackendError(f"Graph {graph} failed in ONNX Runtime: {error}") from error

    def _close(self) -> None:
        self._sessions.clear()

    def _session(self, graph: str) -> Any:
        if graph not in self._sessions:
            path = str(self.bundle.graph_path(graph))
            self._sessions[graph] = self._runtime.InferenceSession(
                path, self._settings, providers=["CPUExecutionProvider"]
            )
        return self._sessions[graph]
