"""One graph through `torch.onnx.export`, with what it does not read left out of the trace."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import onnx
import torch
from torch import Tensor, nn
from torch.export import Dim
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves

from ermu.export.graph import Graph
from ermu.runtime.bundle.parts import TensorInfo
from ermu.runtime.bundle.sizes import GridRule, Grids

_GRID = (3, 256)  # token grid a side, inclusive
# What a graph may have any number of: memory frames, pointers, clicks, groups.
_COUNTS = {symbol: Dim(symbol, min=1, max=4096) for symbol in ("T", "P", "K")} | {
    "G": Dim("G", min=1, max=64)
}
# Operators of which no attribute or constant depends on the size of a map.
_OF_ANY_SIZE = {
    "Add", "BatchNormalization", "Cast", "Clip", "Concat", "Conv", "Div", "HardSigmoid", "HardSwish",
    "Identity", "MaxPool", "Mul", "Relu", "Sigmoid", "Sub", "Transpose",
}  # fmt: skip


def traced(graph: Graph, rule: GridRule, *, opset: int, fixed_hw: tuple[int, int] | None) -> onnx.ModelProto:
    """The graph in ONNX, at sizes of its own or at one.

    A convolutional encoder traced at one size holds at every other, which takes torch a tenth of the time
    that symbols for height and width do.

    Args:
        graph: From `build_graphs`.
        rule: The network's.
        opset: 18 to 21.
        fixed_hw: Network input size, or None for dynamic H and W. Counts are always dynamic.
    """
    sizes = sizes_of(rule, fixed_hw, (7, 9), frames=3)
    inputs = random_inputs(graph, sizes)
    with _only_what_it_reads(graph.module, inputs):
        if fixed_hw or any(t.name == "image" for t in graph.inputs):
            model = _exported(graph, inputs, opset, _COUNTS)
            if fixed_hw or {node.op_type for node in model.graph.node} <= _OF_ANY_SIZE:
                return model
        return _exported(graph, inputs, opset, _dimensions(rule))


def sizes_of(
    rule: GridRule, fixed_hw: tuple[int, int] | None, tokens: tuple[int, int], *, frames: int
) -> dict[str, int]:
    """Values of the symbols at the fixed size, or at that of a token grid."""
    height, width = fixed_hw or (rule.side(tokens[0]), rule.side(tokens[1]))
    return {
        **Grids(height, width, rule).symbols(),
        "G": frames - 1,
        "T": frames,
        "P": frames + 1,
        "K": frames + 2,
    }


def random_inputs(graph: Graph, sizes: dict[str, int], seed: int = 0) -> list[Tensor]:
    """What the graph reads, drawn; an image has whole numbers of a byte."""
    rng = np.random.default_rng(seed)
    return [_random(tensor, sizes, rng) for tensor in graph.inputs]


def _random(tensor: TensorInfo, sizes: dict[str, int], rng: np.random.Generator) -> Tensor:
    shape = [sizes[s] if isinstance(s, str) else s for s in tensor.shape]
    if tensor.name == "image":
        return torch.from_numpy(rng.integers(0, 256, shape).astype(tensor.dtype))
    return torch.from_numpy(rng.standard_normal(shape).astype(tensor.dtype))


def _exported(graph: Graph, inputs: list[Tensor], opset: int, dims: Mapping[str, Dim]) -> onnx.ModelProto:
    shapes = [
        {axis: dims[s] for axis, s in enumerate(t.shape) if isinstance(s, str) and s in dims}
        for t in graph.inputs
    ]
    with _quiet():
        program = torch.onnx.export(
            graph.module,
            tuple(inputs),
            dynamo=True,
            opset_version=opset,
            dynamic_shapes=_as_signature(graph, shapes),
            input_names=[t.name for t in graph.inputs],
            output_names=[t.name for t in graph.outputs],
            verbose=False,
        )
    assert program is not None
    return program.model_proto


class _Reads(TorchFunctionMode):
    """Writes down every tensor that an operator is given."""

    def __init__(self) -> None:
        super().__init__()
        self.tensors: set[int] = set()

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        self.tensors |= {id(leaf) for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)}
        return func(*args, **(kwargs or {}))


@contextmanager
def _only_what_it_reads(module: nn.Module, inputs: list[Tensor]) -> Iterator[None]:
    """Takes away the weights that the graph leaves alone, for torch would follow every one of the network."""
    with torch.no_grad(), _Reads() as reads:
        module(*inputs)
    stores: list[dict[str, Any]] = [
        store for part in module.modules() for store in (part._parameters, part._buffers)
    ]
    unread = [
        (store, name, tensor)
        for store in stores
        for name, tensor in store.items()
        if tensor is not None and id(tensor) not in reads.tensors
    ]
    for store, name, _ in unread:
        store[name] = None
    try:
        yield
    finally:
        for store, name, tensor in unread:
            store[name] = tensor


def _dimensions(rule: GridRule) -> dict[str, Dim]:
    """All symbols, of which the token grid's and counts are free and the others derived."""
    dims = dict(_COUNTS)
    for side in ("h", "w"):
        dims[side] = Dim(side, min=_GRID[0], max=_GRID[1])
        for name, stride in ((side.upper(), 1), (f"{side}4", 4), (f"{side}8", 8)):
            factor, constant = rule.line(stride)
            dims[name] = factor * dims[side] + constant if constant else factor * dims[side]
    return dims


def _as_signature(graph: Graph, shapes: list[dict[int, Dim]]) -> tuple[object, ...]:
    """Dynamic shapes nested as the module's forward takes them: named arguments, then *args as one tuple."""
    code = type(graph.module).forward.__code__
    named = code.co_argcount - 1
    takes_rest = bool(code.co_flags & 0x04) and len(shapes) > named
    return (*shapes[:named], tuple(shapes[named:])) if takes_rest else tuple(shapes)


@contextmanager
def _quiet() -> Iterator[None]:
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
