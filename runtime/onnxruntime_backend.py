"""The ONNX Runtime backend: CPU, or CUDA where its provider really loads."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ermu.errors import BackendError, DependencyError

from .backend import Array, Backend, DeviceTensor
from .bundle import Bundle


class OnnxRuntimeCpuBackend(Backend):
    """Graphs on the CPU; tensors are numpy arrays.

    Args:
        bundle: Its graphs are opened at once, so that a broken one is noticed before the first frame.
        threads: Threads for each graph; default, the machine's cores.
    """

    device = "cpu"

    def __init__(self, bundle: Bundle, *, threads: int | None = None) -> None:
        self._sessions = {
            name: _open(bundle, name, ["CPUExecutionProvider"], threads) for name in bundle.manifest.graphs
        }
        self._bindings = {name: session.io_binding() for name, session in self._sessions.items()}

    def empty(self, shape: Sequence[int], dtype: npt.DTypeLike) -> DeviceTensor:
        array = np.empty(tuple(shape), dtype)
        return DeviceTensor(array.ctypes.data, array.shape, array.dtype, array)

    def upload(self, array: Array, target: DeviceTensor) -> None:
        self.for_kernels(target)[...] = array

    def download(self, source: DeviceTensor) -> Array:
        return np.array(self.for_kernels(source))

    def copy(self, source: DeviceTensor, target: DeviceTensor) -> None:
        self.for_kernels(target)[...] = self.for_kernels(source)

    def for_kernels(self, tensor: DeviceTensor) -> Array:
        """A numpy view of the tensor."""
        owner = tensor.owner
        assert isinstance(owner, np.ndarray)
        start = (tensor.address - owner.ctypes.data) // tensor.dtype.itemsize
        count = tensor.nbytes // tensor.dtype.itemsize
        view: Array = owner.reshape(-1)[start : start + count].reshape(tensor.shape)
        return view

    def run(
        self, graph: str, inputs: Mapping[str, DeviceTensor], outputs: Mapping[str, DeviceTensor]
    ) -> None:
        binding = self._bindings[graph]
        for name, tensor in inputs.items():
            binding.bind_input(name, "cpu", 0, tensor.dtype, tensor.shape, tensor.address)
        for name, tensor in outputs.items():
            binding.bind_output(name, "cpu", 0, tensor.dtype, tensor.shape, tensor.address)
        try:
            self._sessions[graph].run_with_iobinding(binding)
        except Exception as error:  # onnxruntime's exception types share no public base
            raise BackendError(f"Graph {graph} failed in ONNX Runtime: {error}") from error

    def close(self) -> None:
        self._bindings.clear()
        self._sessions.clear()


def _open(bundle: Bundle, graph: str, providers: list[str], threads: int | None) -> Any:
    try:
        import onnxruntime
    except ImportError as error:
        raise DependencyError("onnxruntime", "Running a bundle on the CPU", "cpu") from error
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = threads or os.cpu_count() or 1
    # Sessions take turns, so a pool that spins after its graph has ended steals cores from the next graph.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    path = bundle.graph_path(graph)
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=providers)
    except Exception as error:  # onnxruntime's exception types share no public base
        raise BackendError(f"ONNX Runtime {onnxruntime.__version__} cannot open {path}: {error}") from error
    missing = set(providers[:1]) - set(session.get_providers())
    if missing:
        raise BackendError(
            f"ONNX Runtime did not load {', '.join(missing)}; it fell back to {', '.join(session.get_providers())}.",
            fix="run with --device cpu, or install 'ermu[gpu]' with a CUDA driver (`ermu doctor` tells)",
        )
    return session
