"""One graph to one ONNX file, checked against torch on random inputs."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import onnx
import torch
from torch import Tensor
from torch.export import Dim

from ermu.errors import BackendError, DependencyError
from ermu.export.graph import Graph
from ermu.export.weights import WeightsFile
from ermu.runtime.bundle.manifest import TensorInfo
from ermu.runtime.bundle.sizes import GridRule, Grids

TOLERANCE = 1e-3
_GRID = (3, 256)  # token grid a side, inclusive
_FRAMES = Dim("T", min=1, max=4096)


def write_onnx(
    graph: Graph,
    path: Path,
    weights: WeightsFile,
    *,
    rule: GridRule,
    opset: int,
    fixed_hw: tuple[int, int] | None,
) -> None:
    """Traces a graph and writes it, its weights apart.

    Args:
        graph: From `build_graphs`.
        path: The file to write.
        weights: Takes the weights; in the same folder.
        rule: The network's.
        opset: 18 to 21.
        fixed_hw: Network input size to fix the graph to, or None for dynamic H and W. T is always dynamic.
    """
    sizes = _sizes(rule, fixed_hw, (7, 9), frames=3)
    model = _traced(graph, sizes, opset, {"T": _FRAMES} if fixed_hw else _dimensions(rule))
    for value, tensor in zip(
        (*model.graph.input, *model.graph.output), (*graph.inputs, *graph.outputs), strict=True
    ):
        _name_axes(value, tensor, sizes if fixed_hw else {})
    _forget_tracing(model)
    weights.take(model)
    onnx.save_model(model, path)


def _traced(graph: Graph, sizes: dict[str, int], opset: int, dims: dict[str, Dim]) -> onnx.ModelProto:
    inputs = [_random(t, sizes, np.random.default_rng(i)) for i, t in enumerate(graph.inputs)]
    shapes = [{axis: dims[s] for axis, s in enumerate(t.shape) if s in dims} for t in graph.inputs]
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


def difference_to_torch(
    graph: Graph, path: Path, *, rule: GridRule, fixed_hw: tuple[int, int] | None
) -> float:
    """Largest absolute difference between ONNX Runtime and torch over all outputs, on random inputs.

    A dynamic graph is tried at another size and memory length than it was traced with.

    Raises:
        BackendError: the difference exceeds `TOLERANCE`, times the largest magnitude where that exceeds 1.
    """
    try:
        import onnxruntime
    except ImportError as error:
        raise DependencyError("onnxruntime", "Checking an exported graph", "cpu") from error
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    sizes = _sizes(rule, fixed_hw, (8, 6), frames=5)
    rng = np.random.default_rng(2026)
    inputs = [_random(t, sizes, rng) for t in graph.inputs]
    feeds = {t.name: x.numpy() for t, x in zip(graph.inputs, inputs, strict=True)}
    read = {i.name for i in session.get_inputs()}
    got = session.run([t.name for t in graph.outputs], {k: v for k, v in feeds.items() if k in read})
    with torch.no_grad():
        wanted = graph.module(*inputs)
    wanted = (wanted,) if isinstance(wanted, Tensor) else wanted
    worst = 0.0
    for tensor, ours, theirs in zip(graph.outputs, got, wanted, strict=True):
        gap = float(np.abs(ours - theirs.numpy()).max())
        if not gap <= TOLERANCE * max(1.0, float(theirs.abs().max())):
            raise BackendError(
                f"Graph {graph.name}: output {tensor.name} differs from torch by {gap:.3g}.",
                expected=f"at most {TOLERANCE} of the largest value",
                fix="report this with the versions of torch, onnx and onnxruntime",
            )
        worst = max(worst, gap)
    return worst


def _sizes(
    rule: GridRule, fixed_hw: tuple[int, int] | None, tokens: tuple[int, int], *, frames: int
) -> dict[str, int]:
    """Values of the symbols at the fixed size, or at that of a token grid."""
    height, width = fixed_hw or (rule.side(tokens[0]), rule.side(tokens[1]))
    return {**Grids(height, width, rule).symbols(), "T": frames}


def _dimensions(rule: GridRule) -> dict[str, Dim]:
    """All symbols, of which the token grid's and T are free and the others derived."""
    dims = {"T": _FRAMES}
    for side in ("h", "w"):
        dims[side] = Dim(side, min=_GRID[0], max=_GRID[1])
        for name, stride in ((side.upper(), 1), (f"{side}4", 4), (f"{side}8", 8)):
            factor, constant = rule.line(stride)
            dims[name] = factor * dims[side] + constant if constant else factor * dims[side]
    return dims


def _random(tensor: TensorInfo, sizes: dict[str, int], rng: np.random.Generator) -> Tensor:
    shape = [sizes[s] if isinstance(s, str) else s for s in tensor.shape]
    if tensor.name == "image":
        return torch.from_numpy(rng.integers(0, 256, shape).astype(tensor.dtype))
    return torch.from_numpy(rng.standard_normal(shape).astype(tensor.dtype))


def _as_signature(graph: Graph, shapes: list[dict[int, Dim]]) -> tuple[object, ...]:
    """Dynamic shapes nested as the module's forward takes them: named arguments, then *args as one tuple."""
    code = type(graph.module).forward.__code__
    named = code.co_argcount - 1
    takes_rest = bool(code.co_flags & 0x04) and len(shapes) > named
    return (*shapes[:named], tuple(shapes[named:])) if takes_rest else tuple(shapes)


def _name_axes(value: onnx.ValueInfoProto, tensor: TensorInfo, sizes: dict[str, int]) -> None:
    for axis, dim in zip(value.type.tensor_type.shape.dim, tensor.shape, strict=True):
        if isinstance(dim, int) or (dim in sizes and dim != "T"):
            axis.dim_value = dim if isinstance(dim, int) else sizes[dim]
        else:
            axis.dim_param = dim


def _forget_tracing(model: onnx.ModelProto) -> None:
    """Drops intermediate shapes, and the stack traces that name files of the exporting machine."""
    del model.graph.value_info[:]
    parts = (model, model.graph, *model.graph.node, *model.graph.initializer)
    for part in (*parts, *model.graph.input, *model.graph.output):
        del part.metadata_props[:]


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
