"""OpenVINO: graphs on the CPU in float32, bfloat16 or int8."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from ermu.devices.processors import usable_processors
from ermu.errors import BackendError
from ermu.kernels.cache import cache_folder
from ermu.runtime.backends.base import Backend, Misfit, Opening, Tensors
from ermu.runtime.backends.compiled_models import CompiledModels
from ermu.runtime.backends.requirements import importable, wrong_device
from ermu.runtime.backends.trial import GRAPH, Trial
from ermu.runtime.bundle.bundle import BF16, Bundle
from ermu.runtime.bundle.manifest import EXTERNAL_ATTENTION, WHOLE
from ermu.runtime.bundle.parts import GraphInfo

Shapes = tuple[tuple[int, ...], ...]


class OpenVinoBackend(Backend):
    """Graphs compiled by OpenVINO for the sizes that they meet.

    Every graph is read at once, so that a broken one is noticed before the first frame; a size is compiled
    when it is met first (seconds), and kept in the user's cache for the next process.

    Attributes:
        open_symbols: Axes that stay open in compiled graphs; without T (and P, pointers, and K, clicks) each
            number of memory frames is compiled when it is met.
    """

    name = "openvino"
    help = "OpenVINO, on the CPU: the fastest in bf16 and int8"
    devices = ("cpu",)
    plans = (EXTERNAL_ATTENTION, WHOLE)
    rounds_to_bf16 = True
    open_symbols = frozenset({"T", "P", "K"})

    @classmethod
    def misfits(cls, bundle: Bundle | None, device: str) -> list[Misfit]:
        """See `Backend.misfits`."""
        return wrong_device(cls.name, device, cls.devices) + importable("openvino", "openvino")

    @classmethod
    def rank(cls, device: str, precision: str) -> int:
        """See `Backend.rank`: twice as fast as ONNX Runtime in bf16 and int8, as fast in fp32."""
        return 4 if precision in (BF16, "int8") else 1

    @classmethod
    def try_out(cls, trial: Trial) -> str:
        """See `Backend.try_out`."""
        import openvino

        core = process_core()
        request = core.compile_model(core.read_model(GRAPH), "CPU").create_infer_request()
        for name, tensor in trial.tensors.items():
            array = trial.device.kernel_argument(tensor)
            request.set_tensor(name, openvino.Tensor(array, shared_memory=True))
        request.infer()
        return "compiled and ran a tiny graph"

    def __init__(self, opening: Opening) -> None:
        super().__init__(opening)
        import openvino

        self._tensor, core = openvino.Tensor, process_core()
        options = {
            "INFERENCE_NUM_THREADS": opening.threads,
            "PERFORMANCE_HINT": "LATENCY",
            # Pinned threads are those of the first cores: two shares of a machine would have the same ones.
            "ENABLE_CPU_PINNING": opening.threads >= usable_processors(),
        }
        kept = CompiledModels(core, cache_folder(self.name))
        weights = [file.sha256 for file in self.bundle.manifest.weights]
        self._compiled = {}
        for name, info in self.graphs.items():
            own = {**options, "INFERENCE_PRECISION_HINT": self._arithmetic(core, name)}
            path, files = self.bundle.graph_path(name), [info.sha256, *weights]
            self._compiled[name] = _Graph(core, kept, info, path, files, own, self.open_symbols)

    def _run(self, graph: str, inputs: Tensors, outputs: Tensors) -> None:
        try:
            request = self._compiled[graph].request(inputs)
            for name, tensor in (*inputs.items(), *outputs.items()):
                array = self.device.kernel_argument(tensor)
                request.set_tensor(name, self._tensor(array, shared_memory=True))
            request.infer()
        except RuntimeError as error:
            raise BackendError(f"Graph {graph} failed in OpenVINO: {error}") from error

    def _close(self) -> None:
        self._compiled.clear()

    def _arithmetic(self, core: Any, graph: str) -> str:
        """f32 or bf16; in int8, bf16 for what has no codes in a quantised graph, where that is fast."""
        precision = self.bundle.manifest.precision
        if precision == "int8" and graph in self.plan.quantised:
            return "bf16" if "BF16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES") else "f32"
        return "bf16" if precision == BF16 else "f32"


@cache
def process_core() -> Any:
    """OpenVINO's core, one for the life of the process.

    A core gives the thread that first uses it a stack for signals and takes that away at its own end, after
    which the stack of an earlier core is in place, whether that still exists or not: of two cores that end in
    the order in which they came, a signal is then the end of the process (SIGSEGV in place of SIGINT).
    """
    import openvino

    return openvino.Core()


class _Graph:
    """One graph, compiled for each of the latest few sizes: streams that share a backend may differ."""

    KEPT = 8

    def __init__(
        self,
        core: Any,
        kept: CompiledModels,
        info: GraphInfo,
        path: Path,
        files: Sequence[str],
        options: Mapping[str, Any],
        open_symbols: frozenset[str],
    ) -> None:
        self._core, self._kept, self._info, self._path = core, kept, info, path
        self._files, self._options, self._open = files, options, open_symbols
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
            made_of = {"files": self._files, "shapes": shapes}
            compiled = self._kept.get(made_of, self._options, lambda: self._compiled(shapes))
            self._requests[shapes] = compiled.create_infer_request()
        return self._requests[shapes]

    def _compiled(self, shapes: Shapes) -> Any:
        model = self._core.read_model(self._path)
        read = {name for port in model.inputs for name in port.get_names()}
        named = {t.name: list(shape) for t, shape in zip(self._info.inputs, shapes, strict=True)}
        model.reshape({name: shape for name, shape in named.items() if name in read})
        return self._core.compile_model(model, "CPU", self._options)


PLUGIN = OpenVinoBackend
