"""Tensors that groups use in turns: nothing in them outlives the turn of those that run as one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import prod

import numpy as np

from ermu.devices.base import Device
from ermu.devices.tensor import DeviceTensor
from ermu.runtime.backends.base import Backend
from ermu.runtime.bundle.parts import GraphInfo, TensorInfo
from ermu.runtime.bundle.roles import Role
from ermu.runtime.bundle.sizes import Grids, resolve

IN_TURNS = (
    Role.STATE,
    Role.QUERY,
    Role.BIAS,
    Role.MEMORY_READOUT,
    Role.LOCAL_READOUT,
    Role.OUTPUT,
)


class Workspace:
    """One size's tensors for all groups of a segmenter.

    Args:
        backend: Whose plan's graphs the tensors belong to.
        grids: Network input size.

    Attributes:
        symbols: What each symbol of the manifest stands for, but for counts: G groups, T memory frames.
        foreground: (N,) float32.
    """

    def __init__(self, backend: Backend, grids: Grids) -> None:
        self._device, self.grids, self.symbols = backend.device, grids, grids.symbols()
        graphs = [backend.graphs[name] for name in backend.group_plan.propagation]
        self._tokens = next(
            t for t in backend.graphs[backend.group_plan.memorize].inputs if t.role is Role.INPUT
        )
        self._described = [*having(graphs, *IN_TURNS), self._tokens]
        self._most, self._views = 0, dict[int, dict[str, DeviceTensor]]()
        self.foreground = backend.device.empty((prod(grids.tokens),), np.float32)
        self._vector = backend.device.empty((1,), np.float64)

    def of(self, groups: int) -> dict[str, DeviceTensor]:
        """By the graphs' names, for groups that run as one, G x ...; the next call gives the same memory.

        z, label maps' tokens, and what the graphs of a propagation hand to each other.

        Raises:
            BackendError: there is not enough memory.
        """
        if groups > self._most:
            self._held = allocate(self._device, self._described, {**self.symbols, "G": groups})
            self._most, self._views = groups, {}
        if groups not in self._views:
            self._views[groups] = {name: tensor.first(groups) for name, tensor in self._held.items()}
        return self._views[groups]

    def identity(self, groups: int) -> DeviceTensor:
        """Of these, the label maps' tokens, G x h x w x C float32."""
        return self.of(groups)[self._tokens.name]

    def vector(self, length: int) -> DeviceTensor:
        """(T,) float64 for a number a slot; the next call gives the same memory."""
        if length > self._vector.shape[0]:
            self._vector = self._device.empty((2 * length,), np.float64)
        return self._vector.first(length)


def allocate(
    device: Device, tensors: Iterable[TensorInfo], symbols: Mapping[str, int]
) -> dict[str, DeviceTensor]:
    """A tensor for each description, by name, symbols replaced by their values."""
    return {t.name: device.empty(resolve(t.shape, symbols), t.dtype) for t in tensors}


def having(graphs: Iterable[GraphInfo], *roles: Role) -> list[TensorInfo]:
    """The graphs' tensors of these roles, each once, in the order of their first use."""
    found = {t.name: t for graph in graphs for t in graph.tensors if t.role in roles}
    return list(found.values())
