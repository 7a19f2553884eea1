"""An engine that doubles its input `x` into `y`, as strict as TensorRT's: it says no where that would.

It runs in host memory, at once, or later as part of a recorded graph.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from math import prod
from types import SimpleNamespace
from typing import Any

import numpy as np
import numpy.typing as npt

from ermu.devices.graphs.recorder import Recorder, Work
from ermu.devices.host import HostDevice
from ermu.devices.tensor import DeviceTensor
from ermu.devices.tensorrt_module import TensorRTModule
from ermu.errors import BackendError

STREAM = 7
PROFILES = [((1, 1), (4, 4), (4, 8)), ((5, 1), (8, 8), (8, 8))]  # least, typical, most


class StubDevice(HostDevice):
    """Host memory, aligned as a GPU's; work is recorded inside `capture`.

    Attributes:
        allocations: How many there were.
        recorded: What is being recorded; None outside.
        graphs: Recorded graphs that have not been closed.
    """

    name = "cuda"
    stream = STREAM

    def __init__(self) -> None:
        self.allocations = 0
        self.recorded: list[Callable[[], None]] | None = None
        self.graphs: list[StubGraph] = []
        self._recorder = Recorder(self.capture, self.synchronize)
        self.repeating, self.forget_graphs = self._recorder.recording, self._recorder.forget

    def current(self, doing: str) -> AbstractContextManager[None]:
        return nullcontext()

    def enqueue(self, work: Work) -> None:
        self._recorder.add(work)

    def copy(self, source: DeviceTensor, target: DeviceTensor) -> None:
        def run() -> None:
            step = lambda: HostDevice.copy(self, source, target)  # noqa: E731
            step() if self.recorded is None else self.recorded.append(step)

        self.enqueue(Work((source.address, target.address, source.nbytes), run))

    def empty(self, shape: Sequence[int], dtype: npt.DTypeLike) -> DeviceTensor:
        self.allocations += 1
        kind, sides = np.dtype(dtype), tuple(shape)
        memory = np.empty(prod(sides) * kind.itemsize + 512, np.uint8)
        return DeviceTensor(memory.ctypes.data + -memory.ctypes.data % 256, sides, kind, memory)

    def kernel_argument(self, tensor: DeviceTensor) -> np.ndarray:
        memory = (ctypes.c_char * tensor.nbytes).from_address(tensor.address)
        return np.frombuffer(memory, tensor.dtype).reshape(tensor.shape)

    def capture(self, work: Callable[[], None]) -> StubGraph:
        self.recorded = []
        try:
            work()
            graph = StubGraph(self, self.recorded)
        finally:
            self.recorded = None
        self.graphs.append(graph)
        return graph


class StubGraph:
    def __init__(self, device: StubDevice, work: list[Callable[[], None]]) -> None:
        self._device, self._work, self.launches = device, work, 0

    def launch(self) -> None:
        self.launches += 1
        for step in self._work:
            step()

    def close(self) -> None:
        self._device.graphs.remove(self)


class StubEngine:
    """What `Engine` uses of an ICudaEngine.

    Attributes:
        refusing: Names of the context's methods that return False.
        capturable: What contexts say of themselves.
    """

    num_io_tensors, num_optimization_profiles = 2, len(PROFILES)

    def __init__(self, device: StubDevice) -> None:
        self.device, self.refusing, self.capturable = device, set[str](), True
        self.contexts = 0

    def get_tensor_name(self, index: int) -> str:
        return "xy"[index]

    def get_tensor_mode(self, name: str) -> str:
        return "in" if name == "x" else "out"

    def get_tensor_profile_shape(self, name: str, profile: int) -> tuple[Any, Any, Any]:
        assert name == "x"
        return PROFILES[profile]

    def create_execution_context(self, strategy: Any) -> StubContext | None:
        strategy = getattr(strategy, "strategy", strategy)
        assert strategy == "user managed"
        self.contexts += 1
        return None if "create_execution_context" in self.refusing else StubContext(self)


class StubRtxEngine(StubEngine):
    """What TensorRT-RTX adds: kernels are compiled at first use, and kept in a runtime cache."""

    def create_runtime_config(self) -> StubRuntimeConfig:
        return StubRuntimeConfig()

    def create_execution_context(self, strategy: Any) -> StubContext | None:
        assert strategy.cache is not None
        strategy.cache.compiled |= {b"a kernel"}
        return super().create_execution_context(strategy)


class StubRuntimeConfig:
    strategy, cache = "static", None

    def set_execution_context_allocation_strategy(self, strategy: str) -> None:
        self.strategy = strategy

    def create_runtime_cache(self) -> StubRuntimeCache:
        return StubRuntimeCache()

    def set_runtime_cache(self, cache: StubRuntimeCache) -> bool:
        self.cache = cache
        return True


class StubRuntimeCache:
    def __init__(self) -> None:
        self.compiled: set[bytes] = set()

    def serialize(self) -> bytes:
        return b"\n".join([b"header", *sorted(self.compiled)])

    def deserialize(self, blob: bytes) -> bool:
        header, *compiled = blob.split(b"\n")
        if header != b"header":
            return False
        self.compiled = set(compiled)
        return True

    def reset(self) -> bool:
        self.compiled.clear()
        return True


class StubContext:
    active_optimization_profile = 0

    def __init__(self, engine: StubEngine) -> None:
        self._engine = engine
        self._shape: tuple[int, ...] | None = None
        self._addresses: dict[str, int] = {}
        self._has_memory = False

    def set_device_memory(self, address: int, nbytes: int) -> None:
        self._has_memory = address % 256 == 0 and nbytes > 0

    def is_stream_capturable(self, stream: int) -> bool:
        return self._engine.capturable

    def set_optimization_profile_async(self, index: int, stream: int) -> bool:
        if self._refuses("set_optimization_profile_async") or stream != STREAM:
            return False
        self.active_optimization_profile, self._shape = index, None
        return True

    def set_input_shape(self, name: str, shape: tuple[int, ...]) -> bool:
        least, _, most = PROFILES[self.active_optimization_profile]
        fits = all(low <= side <= high for low, side, high in zip(least, shape, most, strict=True))
        if name != "x" or not fits or self._refuses("set_input_shape"):
            return False
        self._shape = shape
        return True

    def set_tensor_address(self, name: str, address: int) -> bool:
        if address % 256 or self._refuses("set_tensor_address"):
            return False
        self._addresses[name] = address
        return True

    def execute_async_v3(self, stream: int) -> bool:
        device, recorded = self._engine.device, self._engine.device.recorded
        if self._shape is None or not self._has_memory or set(self._addresses) != {"x", "y"}:
            return False
        if recorded is not None and self._refuses("capture"):
            raise BackendError("cuStreamEndCapture failed with CUDA error 901.")
        x, y = (
            device.kernel_argument(DeviceTensor(self._addresses[n], self._shape, np.dtype("f4"), None))
            for n in "xy"
        )
        step = lambda: np.multiply(x, 2, out=y)  # noqa: E731
        recorded.append(step) if recorded is not None else step()
        return True

    def _refuses(self, method: str) -> bool:
        return method in self._engine.refusing


MODULE = TensorRTModule(
    "tensorrt",
    SimpleNamespace(
        __version__="0",
        TensorIOMode=SimpleNamespace(INPUT="in"),
        ExecutionContextAllocationStrategy=SimpleNamespace(USER_MANAGED="user managed"),
    ),
)
