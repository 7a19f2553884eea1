"""The OpenVINO backend: the same graphs on the CPU, in float32, bfloat16 or int8."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ermu.devices.processors import usable_processors
from ermu.errors import BackendError, DependencyError
from ermu.kernels.base.attention import Attention
from ermu.runtime.backends.base import DeviceTensor
from ermu.runtime.backends.host import HostBackend
from ermu.runtime.bundle.bundle import BF16, Bundle
from ermu.runtime.bundle.manifest import GraphInfo

Tensors = Mapping[str, DeviceTensor]
Shapes = tuple[tuple[int, ...], ...]


class OpenVinoBackend(HostBackend):
    """Graphs compiled by OpenVINO for the sizes that they meet.

    A size is compiled when it is met first (seconds).

    Args:
        bundle: Its graphs are read at once, so that a broken one is noticed before the first frame.
        threads: Threads for each graph; default, the processors that this process may use.
        attention: Reads the memories between the parts of `propagate`; None runs it in one graph.
        open_frames: Whether the number of memory frames stays open; else each is compiled when it is met.
    """

    def __init__(
        self,
        bundle: Bundle,
        *,
        threads: int | None = None,
        attention: Attention | None = None,
        open_frames: bool = True,
    ) -> None:
        self.bring(attention, bundle, threads)
        opened = bundle if attention is None else bundle.in_parts()
        runtime = _openvino()
        self._tensor, core = runtime.Tensor, runtime.Core()
        options = {
            "INFERENCE_NUM_THREADS": threads or usable_processors(),
            "INFERENCE_PRECISION_HINT": _arithmetic(core, bundle.manifest.precision),
            "PERFORMANCE_HINT": "LATENCY",
        }
        self._graphs = {
            name: _Graph(core, info, opened.graph_path(name), options, {"T"} if open_frames else set())
            for name, info in opened.manifest.graphs.items()
        }

    def run(self, graph: str, inputs: Tensors, outputs: Tensors) -> None:
        try:
            request = self._graphs[graph].request(inputs)
            for name, tensor in (*inputs.items(), *outputs.items()):
                request.set_tensor(name, self._tensor(self.for_kernels(tensor), shared_memory=True))
            request.infer()
        except RuntimeError as error:
            raise BackendError(f"Graph {graph} failed in OpenVINO: {error}") from error

    def close(self) -> None:
        self._graphs.clear()


class _Graph:
    """One graph, compiled for each of the latest few sizes: streams that share a backend may differ."""

    KEPT = 8

    def __init__(
        self, core: Any, info: GraphInfo, path: Path, options: Mapping[str, Any], open_symbols: set[str]
    ) -> None:
        self._core, self._info, self._path = core, info, path
        self._options, self._open = options, open_symbols
        try:
            core.read_model(path)
        except RuntimeError as error:
            raise BackendError(f"OpenVINO cannot read {path}: {error}") from error
        self._requests: dict[Shapes, Any] = {}

    def request(self, inputs: Tensors) -> Any:
        """An infer request for these inputs' shapes."""
        shapes = tuple(
            tuple(-1 if s in self._open else n for s, n in zip(t.shape, inputs[t.name].shape, strict=True))
            for t in self._info.inputs
        )
        if shapes not in self._requests:
            if len(self._requests) == self.KEPT:
                del self._requests[next(iter(self._requests))]
            self._requests[shapes] = self._compiled(shapes)
        return self._requests[shapes]

    def _compiled(self, shapes: Shapes) -> Any:
        model = self._core.read_model(self._path)
        read = {name for port in model.inputs for name in port.get_names()}
        named = {t.name: list(shape) for t, shape in zip(self._info.inputs, shapes, strict=True)}
        model.reshape({name: shape for name, shape in named.items() if name in read})
        return self._core.compile_model(model, "CPU", self._options).create_infer_request()


def _arithmetic(core: Any, precision: str) -> str:
    """f32 or bf16: in int8, what has no codes is rounded to bf16 where the processor gains by it."""
    if precision == "int8":
        return "bf16" if "BF16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES") else "f32"
    return "bf16" if precision == BF16 else "f32"


def _openvino() -> Any:
    try:
        import openvino
    except ImportError as error:
        raise DependencyError("openvino", "Running a bundle with OpenVINO", "openvino") from error
    return openvino
