"""How a frame reads a group's memories: in one graph, or in parts with our own attention between them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from ermu.kernels.base.attention import Attention
from ermu.kernels.base.relevance import foreground_share
from ermu.kernels.base.scoring import Kernels
from ermu.runtime.backends.base import Backend, DeviceTensor
from ermu.runtime.bundle.manifest import GraphInfo, Manifest, TensorInfo
from ermu.runtime.memory.bank import MemoryBank

Tensors = Mapping[str, DeviceTensor]


class Propagation(ABC):
    """Propagates one group's frames, and remembers how the latest one read the bank."""

    @abstractmethod
    def run(self, tensors: Tensors, bank: MemoryBank) -> None:
        """Reads the memories for a frame.

        Args:
            tensors: By name: `p` and the previous frame's `short_X`, to read; `z`, `new_X`, `carry_X` and
                whatever `passing_tensors` lists, to write.
            bank: The group's.
        """

    @abstractmethod
    def relevance(self, bank: MemoryBank, foreground: npt.NDArray[Any]) -> npt.NDArray[np.floating]:
        """Relevance of each slot of `bank` to the latest frame (`spec/ermu.md` step 1), in slot order."""


class WholePropagation(Propagation):
    """One graph; the kernels see the query only when a policy asks for the relevance."""

    def __init__(
        self, backend: Backend, kernels: Kernels, manifest: Manifest, symbols: Mapping[str, int]
    ) -> None:
        self._backend, self._kernels, self._heads = backend, kernels, manifest.network.heads
        self._graph = manifest.graphs["propagate"]
        (query,) = (t for t in self._graph.outputs if t.name == "query")
        self._query = backend.allocate([query], symbols)["query"]

    def run(self, tensors: Tensors, bank: MemoryBank) -> None:
        held = {**tensors, **bank.inputs(), "query": self._query}
        self._backend.run("propagate", *_bound(self._graph, held))

    def relevance(self, bank: MemoryBank, foreground: npt.NDArray[Any]) -> npt.NDArray[np.floating]:
        h, w, width = self._query.shape
        query = DeviceTensor(self._query.address, (h * w, width), self._query.dtype, self._query.owner)
        return self._kernels.relevance(
            self._backend.for_kernels(query), bank.keys(), bank.rows(), foreground, heads=self._heads
        )


class SplitPropagation(Propagation):
    """Graphs up to each attention on the memories, and our own attention between them.

    The masses that ERMU scores with are a by-product of block 0's attention.
    """

    def __init__(self, backend: Backend, attention: Attention, manifest: Manifest) -> None:
        self._backend, self._attention = backend, attention
        self._parts = [manifest.graphs[f"propagate{i}"] for i in range(manifest.network.blocks + 1)]
        self._masses = np.empty((0, 0), np.float32)

    def run(self, tensors: Tensors, bank: MemoryBank) -> None:
        for i, part in enumerate(self._parts[:-1]):
            self._backend.run(f"propagate{i}", *_bound(part, tensors))
            self._read(i, tensors, bank)
        self._backend.run(f"propagate{len(self._parts) - 1}", *_bound(self._parts[-1], tensors))

    def _read(self, block: int, tensors: Tensors, bank: MemoryBank) -> None:
        query, answer = self._tokens(tensors[f"query{block}"]), self._tokens(tensors[f"recalled{block}"])
        if block == 0:
            self._masses = np.empty((len(query), len(bank)), np.float32)
        bank.recall(block, query, answer, self._masses if block == 0 else None)
        if f"near{block}" in tensors:
            names = ("new_key", "short_key", "short_value", "window_bias", "near")
            key, *short, bias, near = (self._tokens(tensors[f"{name}{block}"]) for name in names)
            h, w, _ = tensors[f"near{block}"].shape
            self._attention.window(key, short[0], short[1], bias, (h, w), near)

    def relevance(self, bank: MemoryBank, foreground: npt.NDArray[Any]) -> npt.NDArray[np.floating]:
        return foreground_share(foreground, self._masses)

    def _tokens(self, tensor: DeviceTensor) -> npt.NDArray[np.float32]:
        grid: npt.NDArray[np.float32] = self._backend.for_kernels(tensor)
        return grid.reshape(-1, grid.shape[-1])


def open_propagation(
    backend: Backend, kernels: Kernels, manifest: Manifest, symbols: Mapping[str, int]
) -> Propagation:
    """The propagation that a backend's graphs need."""
    if backend.attention is not None:
        return SplitPropagation(backend, backend.attention, manifest)
    return WholePropagation(backend, kernels, manifest, symbols)


def propagation_graphs(manifest: Manifest) -> list[GraphInfo]:
    """`propagate`, or its parts."""
    return [graph for name, graph in manifest.graphs.items() if name.startswith("propagate")]


def passing_tensors(manifest: Manifest) -> list[TensorInfo]:
    """What the parts of a frame's propagation hand to each other, and what `look` hands to all groups."""
    tensors = {t.name: t for part in propagation_graphs(manifest) for t in (*part.inputs, *part.outputs)}
    kinds = ("query", "recalled", "near", "window_bias", "state_", "shared_")
    return [t for name, t in tensors.items() if name.startswith(kinds) and name != "query"]


def _bound(graph: GraphInfo, tensors: Tensors) -> tuple[dict[str, DeviceTensor], dict[str, DeviceTensor]]:
    return {t.name: tensors[t.name] for t in graph.inputs}, {t.name: tensors[t.name] for t in graph.outputs}
