"""Engines and their contexts: shapes, addresses and profiles refused as the real ones refuse them."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from enum import IntEnum
from typing import Any

import emulated_work as work
import numpy as np

from tensorrt.builder import MAGIC
from tensorrt.logger import ILogger

ALIGNMENT = 256
SCRATCH_BYTES = 1 << 16
DTYPES = {"float": "float32", "float16": "float16", "double": "float64", "uint8": "uint8", "int8": "int8"}
DTYPES |= {"int32": "int32", "int64": "int64", "bool": "bool"}
Shape = tuple[int, ...]
Log = Callable[[str], None]


class TensorIOMode(IntEnum):
    """What a tensor is to a graph."""

    NONE = 0
    INPUT = 1
    OUTPUT = 2


class ExecutionContextAllocationStrategy(IntEnum):
    """Who gives a context its memory."""

    STATIC = 0
    ON_PROFILE_CHANGE = 1
    USER_MANAGED = 2


class Runtime:
    """Reads engines."""

    def __init__(self, logger: ILogger) -> None:
        self._logger = logger

    def deserialize_cuda_engine(self, blob: bytes) -> ICudaEngine | None:
        if bytes(blob[:4]) != MAGIC:
            self._logger.log(ILogger.Severity.ERROR, "the engine's header is not one of this version")
            return None
        return ICudaEngine(bytes(blob), lambda text: self._logger.log(ILogger.Severity.ERROR, text))


class ICudaEngine:
    """A graph; contexts run it."""

    device_memory_size_v2 = SCRATCH_BYTES

    def __init__(self, blob: bytes, log: Log) -> None:
        import onnxruntime

        (head,) = struct.unpack("<I", blob[4:8])
        self.log = log
        self.profiles: list[dict[str, list[list[int]]]] = json.loads(blob[8 : 8 + head])
        settings = onnxruntime.SessionOptions()
        settings.log_severity_level, settings.intra_op_num_threads = 3, 2
        self.session = onnxruntime.InferenceSession(
            blob[8 + head :], settings, providers=["CPUExecutionProvider"]
        )
        self.inputs = {tensor.name: _dtype(tensor.type) for tensor in self.session.get_inputs()}
        self.outputs = {tensor.name: _dtype(tensor.type) for tensor in self.session.get_outputs()}
        shapes = {tensor.name: tuple(tensor.shape) for tensor in self.session.get_inputs()}
        self.fixed = {name: shape for name, shape in shapes.items() if all(isinstance(n, int) for n in shape)}
        self._names = [*self.inputs, *self.outputs]
        self._contexts = 0

    @property
    def num_io_tensors(self) -> int:
        return len(self._names)

    @property
    def num_optimization_profiles(self) -> int:
        return len(self.profiles)

    def get_tensor_name(self, index: int) -> str:
        return self._names[index]

    def get_tensor_mode(self, name: str) -> TensorIOMode:
        if name in self.inputs:
            return TensorIOMode.INPUT
        return TensorIOMode.OUTPUT if name in self.outputs else TensorIOMode.NONE

    def get_tensor_profile_shape(self, name: str, profile: int) -> list[Shape]:
        return [tuple(shape) for shape in self.profiles[profile][name]]

    def create_execution_context(
        self, strategy: ExecutionContextAllocationStrategy = ExecutionContextAllocationStrategy.STATIC
    ) -> IExecutionContext:
        self._contexts += 1
        first = self._contexts == 1
        return IExecutionContext(self, strategy, 0 if first else -1)


class IExecutionContext:
    """One way of running an engine at a time: shapes, addresses and scratch memory."""

    def __init__(
        self, engine: ICudaEngine, strategy: ExecutionContextAllocationStrategy, profile: int
    ) -> None:
        self._engine, self.active_optimization_profile = engine, profile
        self._given = strategy is not ExecutionContextAllocationStrategy.USER_MANAGED
        self._scratch: int | None = None
        self._shapes: dict[str, Shape] = dict(engine.fixed)
        self._addresses: dict[str, int] = {}
        self._ran: dict[str, Shape] | None = None  # captured work must have run at its shapes before
        self._captured: list[int] = []

    def __del__(self) -> None:
        for number in self._captured:
            work.forget(number)

    def set_device_memory(self, address: int, size: int) -> None:
        if address % ALIGNMENT or size < self._engine.device_memory_size_v2:
            self._engine.log(f"{size} bytes at {address:#x} are no scratch memory")
            return
        self._scratch, self._given = address, True

    def set_optimization_profile_async(self, index: int, stream: int) -> bool:
        if not 0 <= index < self._engine.num_optimization_profiles:
            return self._refuse(f"there is no profile {index}")
        self.active_optimization_profile = index
        self._shapes = dict(self._engine.fixed)
        return True

    def set_input_shape(self, name: str, shape: Shape) -> bool:
        if self.active_optimization_profile < 0 or name not in self._engine.inputs:
            return self._refuse(f"no profile is chosen, or {name} is no input")
        least, _, most = self._engine.get_tensor_profile_shape(name, self.active_optimization_profile)
        fits = len(shape) == len(least) and all(
            a <= b <= c for a, b, c in zip(least, shape, most, strict=True)
        )
        if not fits:
            return self._refuse(f"{name} {tuple(shape)} is outside {least} to {most}")
        self._shapes[name] = tuple(shape)
        return True

    def set_tensor_address(self, name: str, address: int) -> bool:
        if self._engine.get_tensor_mode(name) is TensorIOMode.NONE:
            return self._refuse(f"there is no tensor {name}")
        if address % ALIGNMENT:
            return self._refuse(f"{name} at {address:#x} is not aligned to {ALIGNMENT} bytes")
        self._addresses[name] = address
        return True

    def execute_async_v3(self, stream: int) -> bool:
        engine, shapes = self._engine, dict(self._shapes)
        unset = set(engine.inputs) - set(shapes) | {*engine.inputs, *engine.outputs} - set(self._addresses)
        if unset or not self._given:
            return self._refuse(f"shapes, addresses or scratch memory are missing: {sorted(unset)}")
        if work.capturing(stream) and self._ran != shapes:
            return self._refuse("captured before it ran at these shapes")
        self._ran = shapes
        addresses, scratch = dict(self._addresses), self._scratch
        try:
            captured = work.enqueue(stream, lambda: _execute(engine, shapes, addresses, scratch))
        except RuntimeError as error:
            return self._refuse(str(error))
        if captured is not None:
            self._captured.append(captured)
        return True

    def _refuse(self, why: str) -> bool:
        self._engine.log(why)
        return False


def _execute(
    engine: ICudaEngine, shapes: dict[str, Shape], addresses: dict[str, int], scratch: int | None
) -> None:
    if scratch is not None:
        work.view(scratch, (SCRATCH_BYTES,), np.dtype("uint8"))[:] = 0xFF  # as whoever shares it finds it
    feeds = {name: work.view(addresses[name], shapes[name], kind) for name, kind in engine.inputs.items()}
    results = engine.session.run(list(engine.outputs), feeds)
    for (name, kind), result in zip(engine.outputs.items(), results, strict=True):
        work.view(addresses[name], result.shape, kind)[...] = result


def _dtype(name: str) -> np.dtype[Any]:
    """`tensor(float16)` as numpy has it."""
    return np.dtype(DTYPES[name.removeprefix("tensor(").removesuffix(")")])
