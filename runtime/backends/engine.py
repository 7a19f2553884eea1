"""One TensorRT engine: tensors bound by address, CUDA graphs once shapes and addresses repeat."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

from ermu.devices.cuda import CapturedGraph, CudaDevice
from ermu.devices.tensor import DeviceTensor
from ermu.devices.tensorrt_module import TensorRTModule
from ermu.errors import BackendError
from ermu.runtime.backends.base import Tensors

Key = tuple[tuple[int, tuple[int, ...]], ...]

_ALIGNMENT = 256  # bytes, of every address that TensorRT is given
_CAPTURE_AT = 3  # occurrences of the same shapes and addresses
_MOST_CAPTURED = 64  # CUDA graphs an engine; addresses change when objects come and go
_MOST_MET = 1024


@dataclass(frozen=True)
class _Captured:
    """A CUDA graph and the context that it was recorded from, which must not change any more."""

    graph: CapturedGraph
    context: Any


class Engine:
    """One engine: a context for shapes that are new, and a CUDA graph for each set of tensors that came back.

    Contexts share `scratch`: graphs run one after another in one stream.
    """

    def __init__(
        self,
        engine: Any,
        name: str,
        module: TensorRTModule,
        cuda: CudaDevice,
        scratch: DeviceTensor,
        rebuild: str,
    ) -> None:
        self._engine, self._name, self._module, self._rebuild = engine, name, module, rebuild
        self._cuda, self._scratch = cuda, scratch
        self._context = self._new_context()
        self._inputs = [
            tensor
            for tensor in (engine.get_tensor_name(i) for i in range(engine.num_io_tensors))
            if engine.get_tensor_mode(tensor) == module.trt.TensorIOMode.INPUT
        ]
        self._met: Counter[Key] = Counter()
        self._captured: dict[Key, _Captured] = {}
        self._aligned: dict[str, DeviceTensor] = {}

    def run(self, inputs: Tensors, outputs: Tensors) -> None:
        reads, writes = self._bindable(inputs), self._bindable(outputs)
        for name, tensor in inputs.items():
            if reads[name] is not tensor:
                self._cuda.copy(tensor, reads[name])
        self._execute({**reads, **writes})
        for name, tensor in outputs.items():
            if writes[name] is not tensor:
                self._cuda.copy(writes[name], tensor)

    def close(self) -> None:
        self._forget()
        del self._context, self._engine

    def _execute(self, tensors: Tensors) -> None:
        key = tuple((tensor.address, tensor.shape) for tensor in tensors.values())
        captured = self._captured.get(key)
        if captured:
            captured.graph.launch()
            return
        self._enqueue(self._context, tensors)
        if len(self._met) >= _MOST_MET:
            self._met.clear()
        self._met[key] += 1
        if self._met[key] == _CAPTURE_AT:
            self._capture(key, tensors)

    def _enqueue(self, context: Any, tensors: Tensors) -> None:
        self._choose_profile(context, tensors)
        for name, tensor in tensors.items():
            if name in self._inputs:
                context.set_input_shape(name, tensor.shape)
            context.set_tensor_address(name, tensor.address)
        self._launch(context)

    def _launch(self, context: Any) -> None:
        if not context.execute_async_v3(self._cuda.stream):
            raise BackendError(f"Graph {self._name} failed in {self._module.name}.", fix="ermu doctor")

    def _capture(self, key: Key, tensors: Tensors) -> None:
        """Records the work of these tensors from a context of its own, once it has run there."""
        if len(self._captured) >= _MOST_CAPTURED:
            self._forget()
        context = self._new_context()
        self._enqueue(context, tensors)
        if getattr(context, "is_stream_capturable", lambda stream: True)(self._cuda.stream):
            graph = self._cuda.capture(lambda: self._launch(context))
            self._captured[key] = _Captured(graph, context)

    def _forget(self) -> None:
        self._cuda.synchronize()
        for captured in self._captured.values():
            captured.graph.close()
        self._captured.clear()
        self._met.clear()

    def _new_context(self) -> Any:
        strategy = self._module.trt.ExecutionContextAllocationStrategy.USER_MANAGED
        context = self._engine.create_execution_context(strategy)
        context.set_device_memory(self._scratch.address, self._scratch.nbytes)
        return context

    def _choose_profile(self, context: Any, tensors: Tensors) -> None:
        for index in range(self._engine.num_optimization_profiles):
            if all(self._within(name, tensors[name].shape, index) for name in self._inputs):
                if context.active_optimization_profile != index:
                    context.set_optimization_profile_async(index, self._cuda.stream)
                return
        shapes = ", ".join(f"{name} {tensors[name].shape}" for name in self._inputs)
        raise BackendError(
            f"No profile of the engine of '{self._name}' takes {shapes}.",
            expected="a frame size and a number of memory frames that it was built for",
            fix=f"{self._rebuild} with the --size and --max-memory that you run",
        )

    def _within(self, name: str, shape: tuple[int, ...], profile: int) -> bool:
        least, _, most = self._engine.get_tensor_profile_shape(name, profile)
        return all(low <= side <= high for low, side, high in zip(least, shape, most, strict=True))

    def _bindable(self, tensors: Tensors) -> dict[str, DeviceTensor]:
        """The tensors themselves, or an aligned stand-in for one that lies inside a larger buffer."""
        return {
            name: t if t.address % _ALIGNMENT == 0 else self._stand_in(name, t) for name, t in tensors.items()
        }

    def _stand_in(self, name: str, tensor: DeviceTensor) -> DeviceTensor:
        known = self._aligned.get(name)
        if known is None or known.nbytes != tensor.nbytes:
            known = self._aligned[name] = self._cuda.empty(tensor.shape, tensor.dtype)
        return known
