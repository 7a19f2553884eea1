"""A graph to be traced, and the two layouts between which its modules move tensors."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from ermu.runtime.bundle.parts import TensorInfo

TOLERANCE = 1e-3


@dataclass(frozen=True)
class Graph:
    """A module with named, flat inputs and outputs, ready for tracing.

    Attributes:
        name: Its own, and its file's.
        module: To be traced.
        inputs: In the order of the module's arguments.
        outputs: In the order of what it returns.
        tolerance: Largest difference to torch, times the largest magnitude where that exceeds 1.
    """

    name: str
    module: nn.Module
    inputs: tuple[TensorInfo, ...]
    outputs: tuple[TensorInfo, ...]
    tolerance: float = TOLERANCE


def tokens(x: Tensor) -> Tensor:
    """h x w x C -> 1 x n x C."""
    return x.flatten(0, 1)[None]


def frame_tokens(x: Tensor) -> Tensor:
    """T x h x w x C -> 1 x T x n x C."""
    return x.flatten(1, 2)[None]


def grid(x: Tensor, like: Tensor) -> Tensor:
    """1 x n x C -> h x w x C, the grid that of `like`'s last two axes."""
    return x[0].unflatten(0, (like.shape[-2], like.shape[-1]))


def grid_size(like: Tensor) -> tuple[int, int]:
    """(h, w) of a map ... x h x w."""
    return like.shape[-2], like.shape[-1]
