"""Engines and their contexts: shapes, addresses and profiles refused as the real ones refuse them."""

from __future__ import annotations

import ctypes
import itertools
import json
import struct
import sys
import traceback
from collections.abc import Callable
from enum import IntEnum
from math import prod
from typing import Any

import numpy as np

from tensorrt.builder import MAGIC
from tensorrt.logger import ILogger

ALIGNMENT = 256
SCRATCH_BYTES = 1 << 16
DTYPES = {"float": "float32", "float16": "float16", "double": "float64", "uint8": "uint8", "int8": "int8"}
DTYPES |= {"int32": "int32", "int64": "int64", "bool": "bool"}
Shape = tuple[int, ...]
Log = Callable[[str], None]

_driver = ctypes.CDLL("libcuda.so.1")
_driver.emulated_address.restype = ctypes.c_void_p
_driver.emulated_address.argtypes = [ctypes.c_uint64, ctypes.c_size_t]
_driver.emulated_capturing.argtypes = [ctypes.c_void_p]
_JOB = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_longlong)
_driver.emulated_enqueue.argtypes = [ctypes.c_void_p, _JOB, ctypes.c_longlong]
_numbers = itertools.count(1)
_jobs: dict[int, Callable[[], None]] = {}


@_JOB
def _run_job(number: int) -> int:
    try:
        _jobs[number]()
    except KeyError:
        print("emulated TensorRT: an engine or context that is closed was run", file=sys.stderr)
    except Exception:
        traceback.print_exc()
    else:
        return 1
    return 0


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
        self._shapes: dict[str, Shape] = {}
        self._addresses: dict[str, int] = {}
        self._ran: dict[str, Shape] | None = None  # captured work must have run at its shapes before
        self._captured: list[int] = []

    def __del__(self) -> None:
        for number in self._captured:
            _jobs.pop(number, None)

    def set_device_memory(self, address: int, size: int) -> None:
        if address % ALIGNMENT or size < self._engine.device_memory_size_v2:
            self._engine.log(f"{size} bytes at {address:#x} are no scratch memory")
            return
        self._scratch, self._given = address, True

    def set_optimization_profile_async(self, index: int, stream: int) -> bool:
        if not 0 <= index < self._engine.num_optimization_profiles:
            return self._refuse(f"there is no profile {index}")
        self.active_optimization_profile = index
        self._shapes.clear()
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
        capturing = bool(_driver.emulated_capturing(stream))
        if capturing and self._ran != shapes:
            return self._refuse("captured before it ran at these shapes")
        self._ran = shapes
        number, addresses, scratch = next(_numbers), dict(self._addresses), self._scratch

        def job() -> None:
            if not capturing:
                _jobs.pop(number)
            _execute(engine, shapes, addresses, scratch)

        _jobs[number] = job
        if capturing:
            self._captured.append(number)
        return bool(_driver.emulated_enqueue(stream, _run_job, number) == 0)

    def _refuse(self, why: str) -> bool:
        self._engine.log(why)
        return False


def _execute(
    engine: ICudaEngine, shapes: dict[str, Shape], addresses: dict[str, int], scratch: int | None
) -> None:
    if scratch is not None:
        _view(scratch, (SCRATCH_BYTES,), np.dtype("uint8"))[:] = 0xFF  # as whoever shares it finds it
    feeds = {name: _view(addresses[name], shapes[name], kind) for name, kind in engine.inputs.items()}
    results = engine.session.run(list(engine.outputs), feeds)
    for (name, kind), result in zip(engine.outputs.items(), results, strict=True):
        _view(addresses[name], result.shape, kind)[...] = result


def _view(address: int, shape: Shape, dtype: np.dtype[Any]) -> np.ndarray[Any, Any]:
    nbytes = prod(shape) * dtype.itemsize
    host = _driver.emulated_address(address, nbytes)
    if not host:
        raise RuntimeError(f"{nbytes} bytes at {address:#x} are not the device's")
    return np.frombuffer((ctypes.c_char * nbytes).from_address(host), dtype).reshape(shape)


def _dtype(name: str) -> np.dtype[Any]:
    """`tensor(float16)` as numpy has it."""
    return np.dtype(DTYPES[name.removeprefix("tensor(").removesuffix(")")])
