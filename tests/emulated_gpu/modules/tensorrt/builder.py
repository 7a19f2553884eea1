"""From an ONNX file to an "engine": the graph with its weights, and the profiles as JSON before it."""

from __future__ import annotations

import json
import struct
from enum import IntEnum
from typing import Any

import numpy as np

from tensorrt.logger import ILogger

MAGIC = b"EMTR"
Shape = tuple[int, ...]


class NetworkDefinitionCreationFlag(IntEnum):
    """Bits of `Builder.create_network`."""

    STRONGLY_TYPED = 1


class MemoryPoolType(IntEnum):
    """Pools that can be limited."""

    WORKSPACE = 0


class Tensor:
    """An input or output of a network."""

    def __init__(self, value: Any) -> None:
        import onnx

        dims = value.type.tensor_type.shape.dim
        self.name = value.name
        self.shape = tuple(d.dim_value if d.HasField("dim_value") else -1 for d in dims)
        self.dtype = np.dtype(onnx.helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type))


class Network:
    """A parsed graph."""

    num_layers = 0

    def __init__(self) -> None:
        self.inputs: list[Tensor] = []
        self.outputs: list[Tensor] = []
        self.graph = b""

    @property
    def num_inputs(self) -> int:
        return len(self.inputs)

    @property
    def num_outputs(self) -> int:
        return len(self.outputs)

    def get_input(self, index: int) -> Tensor:
        return self.inputs[index]

    def get_output(self, index: int) -> Tensor:
        return self.outputs[index]


class OnnxParser:
    """Reads a graph with the weights that lie beside it."""

    def __init__(self, network: Network, logger: ILogger) -> None:
        self._network = network

    def parse_from_file(self, path: str) -> bool:
        import onnx

        return self._take(onnx.load(path))

    def parse(self, model: bytes) -> bool:
        import onnx

        return self._take(onnx.load_from_string(model))

    def _take(self, model: Any) -> bool:
        network = self._network
        network.inputs = [Tensor(value) for value in model.graph.input]
        network.outputs = [Tensor(value) for value in model.graph.output]
        network.graph = model.SerializeToString()
        return True


class Profile:
    """Least, best and greatest shape of each input."""

    def __init__(self) -> None:
        self.shapes: dict[str, list[list[int]]] = {}

    def set_shape(self, name: str, least: Shape, best: Shape, most: Shape) -> None:
        if not all(a <= b <= c for a, b, c in zip(least, best, most, strict=True)):
            raise ValueError(f"{name}: {least} <= {best} <= {most} does not hold")
        self.shapes[name] = [list(least), list(best), list(most)]


class TimingCache:
    """Measured kernels: none are."""

    def serialize(self) -> bytes:
        return b"emulated"


class Config:
    """How to build."""

    def __init__(self) -> None:
        self.profiles: list[Profile] = []

    def set_memory_pool_limit(self, pool: MemoryPoolType, size: int) -> None:
        """Nothing is measured, so nothing is limited."""

    def create_timing_cache(self, known: bytes) -> TimingCache:
        return TimingCache()

    def set_timing_cache(self, cache: TimingCache, ignore_mismatch: bool) -> bool:
        return True

    def get_timing_cache(self) -> TimingCache:
        return TimingCache()

    def set_flag(self, flag: Any) -> None:
        """No flag changes what ONNX Runtime does."""

    def add_optimization_profile(self, profile: Profile) -> int:
        self.profiles.append(profile)
        return len(self.profiles) - 1


class Builder:
    """Builds engines."""

    def __init__(self, logger: ILogger) -> None:
        self._logger = logger

    def create_network(self, flags: int) -> Network:
        return Network()

    def create_builder_config(self) -> Config:
        return Config()

    def create_optimization_profile(self) -> Profile:
        return Profile()

    def build_serialized_network(self, network: Network, config: Config) -> memoryview | None:
        dynamic = {tensor.name for tensor in network.inputs if -1 in tensor.shape}
        profiles = config.profiles or [Profile()]
        if any(dynamic - set(profile.shapes) for profile in profiles):
            self._logger.log(ILogger.Severity.ERROR, f"no shapes for some of {sorted(dynamic)}")
            return None
        head = json.dumps([profile.shapes for profile in profiles]).encode()
        return memoryview(MAGIC + struct.pack("<I", len(head)) + head + network.graph)


def nptype(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """The numpy dtype of a tensor's."""
    return dtype
