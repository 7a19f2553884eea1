"""A graph to be traced, and the axes that torch modules and bundles order differently."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from ermu.runtime.bundle.manifest import TensorInfo


@dataclass(frozen=True)
class Graph:
    """A module with named, flat inputs and outputs, ready for tracing."""

    name: str
    module: nn.Module
    inputs: tuple[TensorInfo, ...]
    outputs: tuple[TensorInfo, ...]


def tokens(x: Tensor) -> Tensor:
    """h x w x C -> 1 x n x C."""
    return x.flatten(0, 1)[None]


def frames(x: Tensor) -> Tensor:
    """T x h x w x C -> 1 x T x n x C."""
    return x.flatten(1, 2)[None]


def grid(x: Tensor, p: Tensor) -> Tensor:
    """1 x n x C -> h x w x C, the grid taken from p's last two axes."""
    return x[0].unflatten(0, (p.shape[-2], p.shape[-1]))


def hw(p: Tensor) -> tuple[int, int]:
    """The grid of a map, from its last two axes."""
    return p.shape[-2], p.shape[-1]
