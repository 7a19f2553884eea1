"""How a frame reads groups' memories: in one graph, or with the kernels' attention between graphs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from math import prod
from typing import Any

import numpy as np

from ermu.devices.tensor import DeviceTensor
from ermu.runtime.backends.base import Backend
from ermu.runtime.bundle.parts import GraphInfo, TensorInfo
from ermu.runtime.bundle.roles import Kind, Role
from ermu.runtime.memory.bank import MemoryBank
from ermu.runtime.memory.workspace import Workspace, allocate, having

Tensors = Mapping[str, DeviceTensor]


class Propagation(ABC):
    """Propagates the frames of groups that run as one, and remembers how the latest one read their banks."""

    @abstractmethod
    def run(self, tensors: Tensors, bank: MemoryBank) -> None:
        """Reads the memories for a frame.

        Args:
            tensors: By name: features and the previous frame's memory, to read; the workspace's, this
                frame's entry and what it carries, to write.
            bank: Of the first group; those of the others lie beside it.
        """

    @abstractmethod
    def relevance(self, bank: MemoryBank, foreground: Any, out: Any) -> None:
        """Relevance of each slot of `bank` to the latest frame (`docs/spec/ermu.md`, step 1).

        Args:
            bank: The group's.
            foreground: (N,) float32 as the kernels take it.
            out: (T,) float64 in slot order, written.
        """


class WholePropagation(Propagation):
    """The plan `whole`: one graph; the kernels see the query only when a policy asks for the relevance."""

    def __init__(self, backend: Backend, workspace: Workspace, groups: int) -> None:
        self._backend, self._heads = backend, backend.bundle.group_manifest.network.heads
        (self._graph,) = backend.group_plan.propagation
        queries = having([backend.graphs[self._graph]], Role.QUERY)
        symbols = {**workspace.symbols, "G": groups}
        self._queries = allocate(backend.device, queries, symbols)  # of the latest frame
        self._scored = next(t.name for t in queries if t.block == 0)
        self._rows = [t.name for t in having([backend.graphs[self._graph]], Role.INPUT)]  # none without

    def run(self, tensors: Tensors, bank: MemoryBank) -> None:
        """See `Propagation.run`."""
        queries = {name: tensor.first(bank.store.rows) for name, tensor in self._queries.items()}
        self._backend.run(self._graph, {**tensors, **bank.read_by_graphs(self._rows), **queries})

    def relevance(self, bank: MemoryBank, foreground: Any, out: Any) -> None:
        """See `Propagation.relevance`."""
        query = _tokens(self._backend, self._queries[self._scored].span(bank.row, 1))
        keys, rows = bank.keys(), bank.rows()
        self._backend.kernels.scoring.relevance(query, keys, rows, foreground, out, heads=self._heads)


class ExternalAttentionPropagation(Propagation):
    """The plan `external_attention`: graphs up to each attention on the memories, the kernels' between them.

    Its graphs are of one group.

    The masses that ERMU scores with are a by-product of block 0's attention.
    """

    def __init__(self, backend: Backend, workspace: Workspace) -> None:
        assert backend.kernels.attention is not None
        self._backend, self._attention = backend, backend.kernels.attention
        *self._before, self._last = backend.group_plan.propagation
        self._hw = workspace.grids.tokens
        graphs = [backend.graphs[name] for name in backend.group_plan.propagation]
        known = list(backend.bundle.manifest.graphs.values())
        self._memory = [_MemoryRead(known, block) for block in range(len(self._before))]
        self._local = [
            _LocalRead(known, block) if _matching(graphs, Role.LOCAL_READOUT, block) else None
            for block in range(len(self._before))
        ]
        self._relative = backend.relative_values
        self._masses = backend.device.empty((0,), np.float32)
        self._slots = 0

    def run(self, tensors: Tensors, bank: MemoryBank) -> None:
        """See `Propagation.run`."""
        for block, graph in enumerate(self._before):
            self._backend.run(graph, tensors)
            self._read_memory(block, tensors, bank)
            self._read_local(block, tensors)
        self._backend.run(self._last, tensors)

    def relevance(self, bank: MemoryBank, foreground: Any, out: Any) -> None:
        """See `Propagation.relevance`."""
        self._backend.kernels.scoring.weigh_masses(self._masses_of(self._slots), foreground, out)

    def _read_memory(self, block: int, tensors: Tensors, bank: MemoryBank) -> None:
        names = self._memory[block]
        query, readout = (_tokens(self._backend, tensors[name]) for name in (names.query, names.readout))
        if block == 0:
            self._slots = len(bank)
        bank.read(block, query, readout, self._masses_of(len(bank)) if block == 0 else None)

    def _read_local(self, block: int, tensors: Tensors) -> None:
        names = self._local[block]
        if names is not None:
            query, key, value, readout = (_tokens(self._backend, tensors[name]) for name in names.tokens)
            bias, relative = _by_head(self._backend, tensors[names.bias]), self._relative.get(block)
            self._attention.window(query, key, value, bias, self._hw, readout, relative)

    def _masses_of(self, slots: int) -> Any:
        """Block 0's masses of the latest frame, (N, T)."""
        tokens = self._hw[0] * self._hw[1]
        if self._masses.shape[0] < tokens * slots:
            self._masses = self._backend.device.empty((2 * tokens * slots,), np.float32)
        masses = self._masses.first(tokens * slots).reshaped(tokens, slots)
        return self._backend.device.kernel_argument(masses)


class _MemoryRead:
    """The tensors of one block's attention on the bank, by their roles."""

    def __init__(self, graphs: list[GraphInfo], block: int) -> None:
        self.query = _named(graphs, Role.QUERY, block)
        self.readout = _named(graphs, Role.MEMORY_READOUT, block)


class _LocalRead:
    """Those of its attention in a window of the previous frame; the query is the frame's own key.

    The previous frame's memory is an input of the graph of the plan `whole` only.
    """

    def __init__(self, graphs: list[GraphInfo], block: int) -> None:
        self.tokens = (
            _named(graphs, Role.ENTRY, block, Kind.KEY),
            _named(graphs, Role.PREVIOUS, block, Kind.KEY),
            _named(graphs, Role.PREVIOUS, block, Kind.VALUE),
            _named(graphs, Role.LOCAL_READOUT, block),
        )
        self.bias = _named(graphs, Role.BIAS, block)


def open_propagation(backend: Backend, workspace: Workspace, groups: int) -> Propagation:
    """The propagation of the backend's plan, of so many groups at once."""
    if backend.external_attention:
        return ExternalAttentionPropagation(backend, workspace)
    return WholePropagation(backend, workspace, groups)


def _named(graphs: list[GraphInfo], role: Role, block: int, kind: Kind | None = None) -> str:
    return _matching(graphs, role, block, kind)[0].name


def _matching(graphs: list[GraphInfo], role: Role, block: int, kind: Kind | None = None) -> list[TensorInfo]:
    found = having(graphs, role)
    return [t for t in found if t.block == block and (kind is None or t.kind is kind)]


def _tokens(backend: Backend, tensor: DeviceTensor) -> Any:
    """1 x h x w x C as the kernels take it: N x C."""
    _, h, w, width = tensor.shape
    return backend.device.kernel_argument(tensor.reshaped(h * w, width))


def _by_head(backend: Backend, bias: DeviceTensor) -> Any:
    """1 x (heads x) h x w x 225 as the kernels take it: heads x N x 225."""
    *heads, h, w, places = bias.shape
    return backend.device.kernel_argument(bias.reshaped(prod(heads), h * w, places))
