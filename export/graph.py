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
    """G x h x w x C -> G x n x C."""
    return x.flatten(1, 2)


def frame_tokens(x: Tensor) -> Tensor:
    """G x T x h x w x C -> G x T x n x C."""
    return x.flatten(2, 3)


def grid(x: Tensor, like: Tensor) -> Tensor:
    """G x n x C -> G x h x w x C, the grid that of `like`'s last two axes."""
    return x.unflatten(1, (like.shape[-2], like.shape[-1]))


def as_map(x: Tensor) -> Tensor:
    """G x h x w x C -> G x C x h x w."""
    return x.permute(0, 3, 1, 2)


def grid_size(like: Tensor) -> tuple[int, int]:
    """(h, w) of a map ... x h x w."""
    return like.shape[-2], like.shape[-1]
