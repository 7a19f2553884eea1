"""One TensorRT engine: tensors bound by address, contexts of their own for those that CUDA graphs use."""

from __future__ import annotations

import logging
from collections import OrderedDict
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from typing import Any

from ermu.devices.graphs.recorder import Work
from ermu.devices.repeating import RepeatingDevice
from ermu.devices.tensor import DeviceTensor
from ermu.devices.tensorrt_module import TensorRTModule
from ermu.errors import BackendError
from ermu.runtime.backends.base import Tensors
from ermu.runtime.backends.bindings import ALIGNMENT, MOST, Bindings, Key
from ermu.runtime.backends.runtime_cache import RuntimeCache

logger = logging.getLogger("ermu.backends")


@dataclass(frozen=True)
class LoadedEngine:
    """An engine as it was deserialised.

    Attributes:
        engine: TensorRT's object.
        graph: Name of the graph that it computes.
        module: The TensorRT that it is one of.
        rebuild: The command that builds such engines.
        cache: Of kernels that TensorRT-RTX compiles when the engine runs.
    """

    engine: Any
    graph: str
    module: TensorRTModule
    rebuild: str
    cache: RuntimeCache | None = None


class Engine:
    """One engine: a context for shapes that are new, and one for each set of tensors that CUDA graphs use.

    Contexts share `scratch`: graphs run one after another in one stream. What cannot be captured is launched.

    Args:
        loaded: The engine.
        device: Where it runs.
        scratch: Device memory for what it keeps between its layers.

    Raises:
        BackendError: TensorRT makes no execution context.
    """

    def __init__(self, loaded: LoadedEngine, device: RepeatingDevice, scratch: DeviceTensor) -> None:
        self._loaded, self._engine, self._device, self._scratch = loaded, loaded.engine, device, scratch
        self._context = self._new_context()
        self._inputs = [
            tensor
            for tensor in (self._engine.get_tensor_name(i) for i in range(self._engine.num_io_tensors))
            if self._engine.get_tensor_mode(tensor) == loaded.module.trt.TensorIOMode.INPUT
        ]
        self._prepared: OrderedDict[Key, Any] = OrderedDict()
        self._told = False
        self._bindings = Bindings(device, self._bind, alignment=ALIGNMENT)

    def run(self, inputs: Tensors, outputs: Tensors) -> None:
        """Gives the engine's work to the device, which may hold it back (`GpuDevice.repeating`).

        Raises:
            BackendError: TensorRT refuses a tensor, or fails; where the work is held back, later.
        """
        binding = self._bindings.of(inputs, outputs)
        binding.enqueue(self._device, binding.bound)

    def close(self) -> None:
        """Frees contexts, and keeps what TensorRT-RTX compiled; CUDA graphs are gone before."""
        self._bindings.clear()
        self._prepared.clear()
        if self._loaded.cache is not None:
            self._loaded.cache.save()
        del self._context, self._engine, self._loaded

    def _bind(self, key: Key, inputs: Tensors, outputs: Tensors) -> Work:
        tensors = {**inputs, **outputs}
        again = partial(self._run, key, tensors), partial(self._prepare, key, tensors)
        return Work((self._loaded.graph, key), *again)

    def _run(self, key: Key, tensors: Tensors) -> None:
        with self._running():
            prepared = self._prepared.get(key)
            if prepared is None:
                self._enqueue(self._context, tensors)
            else:
                self._launch(prepared)

    def _prepare(self, key: Key, tensors: Tensors) -> Any:
        """Runs these tensors in a context of their own, whose work can then be recorded; None where not."""
        with self._running():
            context = self._prepared.get(key)
            if context is not None:
                self._launch(context)
                return context
            try:
                context = self._new_context()
            except BackendError as error:
                self._tell(error.problem)
                self._enqueue(self._context, tensors)
                return None
            self._enqueue(context, tensors)
            if not getattr(context, "is_stream_capturable", lambda stream: True)(self._device.stream):
                self._tell("TensorRT says that its work cannot be captured.")
                return None
            if len(self._prepared) >= MOST:
                self._prepared.popitem(last=False)
            self._prepared[key] = context
            return context

    def _running(self) -> AbstractContextManager[None]:
        return self._device.current(f"running the engine of {self._loaded.graph}")

    def _enqueue(self, context: Any, tensors: Tensors) -> None:
        profile = self._choose_profile(context, tensors)
        for name, tensor in tensors.items():
            if name in self._inputs and not context.set_input_shape(name, tensor.shape):
                raise self._refused(f"the shape {tensor.shape} of {name} in profile {profile}", profile)
            if not context.set_tensor_address(name, tensor.address):
                where = f"the address {tensor.address:#x} of {name} {tensor.shape} in profile {profile}"
                raise self._refused(where, profile)
        self._launch(context)

    def _launch(self, context: Any) -> None:
        if not context.execute_async_v3(self._device.stream):
            name = self._loaded.module.name
            raise BackendError(f"Graph {self._loaded.graph} failed in {name}.", fix="ermu doctor")

    def _tell(self, why: str) -> None:
        """Says once why there is no CUDA graph; the work itself has been done."""
        if not self._told:
            self._told = True
            text = "The engine of '%s' is launched kernel by kernel, not in a CUDA graph: %s"
            logger.info(text, self._loaded.graph, why)

    def _new_context(self) -> Any:
        module, cache = self._loaded.module, self._loaded.cache
        strategy = module.trt.ExecutionContextAllocationStrategy.USER_MANAGED
        context = self._engine.create_execution_context(cache.config(strategy) if cache else strategy)
        if context is None:
            raise BackendError(
                f"{module.name} makes no execution context for the engine of '{self._loaded.graph}'.",
                expected="enough device memory",
                fix="fewer streams a GPU, or smaller frames (--long-edge)",
            )
        context.set_device_memory(self._scratch.address, self._scratch.nbytes)
        return context

    def _choose_profile(self, context: Any, tensors: Tensors) -> int:
        for index in range(self._engine.num_optimization_profiles):
            if all(self._within(name, tensors[name].shape, index) for name in self._inputs):
                if (
                    context.active_optimization_profile != index
                    and not context.set_optimization_profile_async(index, self._device.stream)
                ):
                    raise self._refused(f"profile {index}", index)
                return index
        shapes = ", ".join(f"{name} {tensors[name].shape}" for name in self._inputs)
        raise BackendError(
            f"No profile of the engine of '{self._loaded.graph}' takes {shapes}.",
            expected=f"shapes within {' or '.join(self._ranges())}",
            fix=f"{self._loaded.rebuild}, with the size and the memory frames that you run in place "
            "of these; or run no more memory frames than that: --capacity",
        )

    def _refused(self, what: str, profile: int) -> BackendError:
        loaded = self._loaded
        return BackendError(
            f"The engine of '{loaded.graph}' refuses {what}.",
            expected=self._ranges()[profile],
            fix=f"{loaded.rebuild}, with the size and the memory frames that you run in place of these; "
            "see `ermu doctor`",
        )

    def _ranges(self) -> list[str]:
        """What each profile takes, in words."""
        return [
            ", ".join(f"{name} {least} to {most}" for name, least, most in self._bounds(profile))
            for profile in range(self._engine.num_optimization_profiles)
        ]

    def _bounds(self, profile: int) -> list[tuple[str, tuple[int, ...], tuple[int, ...]]]:
        shapes = ((name, self._engine.get_tensor_profile_shape(name, profile)) for name in self._inputs)
        return [(name, tuple(least), tuple(most)) for name, (least, _, most) in shapes]

    def _within(self, name: str, shape: tuple[int, ...], profile: int) -> bool:
        least, _, most = self._engine.get_tensor_profile_shape(name, profile)
        return all(low <= side <= high for low, side, high in zip(least, shape, most, strict=True))
