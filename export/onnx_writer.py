"""One graph to one ONNX file, checked against torch on random inputs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import torch
from torch import Tensor

from ermu.errors import BackendError, DependencyError
from ermu.export.graph import Graph
from ermu.export.tracing import random_inputs, sizes_of, traced
from ermu.export.weights import WeightsFile
from ermu.runtime.bundle.parts import TensorInfo
from ermu.runtime.bundle.sizes import GridRule, Grids


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
        fixed_hw: Network input size to fix the graph to, or None for dynamic H and W; counts stay dynamic.
    """
    model = traced(graph, rule, opset=opset, fixed_hw=fixed_hw)
    sizes = Grids(*fixed_hw, rule).symbols() if fixed_hw else {}
    for value, tensor in zip(
        (*model.graph.input, *model.graph.output), (*graph.inputs, *graph.outputs), strict=True
    ):
        _name_axes(value, tensor, sizes)
    _forget_tracing(model)
    weights.take(model)
    onnx.save_model(model, path)


def difference_to_torch(
    graph: Graph, path: Path, *, rule: GridRule, fixed_hw: tuple[int, int] | None
) -> float:
    """Largest absolute difference between ONNX Runtime and torch over all outputs, on random inputs.

    A dynamic graph is tried at another size and memory length than it was traced with.

    Raises:
        BackendError: the difference exceeds the graph's tolerance.
    """
    try:
        import onnxruntime
    except ImportError as error:
        raise DependencyError("onnxruntime", "Checking an exported graph", "cpu") from error
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    inputs = random_inputs(graph, sizes_of(rule, fixed_hw, (8, 6), frames=5), seed=2026)
    feeds = {t.name: x.numpy() for t, x in zip(graph.inputs, inputs, strict=True)}
    read = {i.name for i in session.get_inputs()}
    got = session.run([t.name for t in graph.outputs], {k: v for k, v in feeds.items() if k in read})
    with torch.no_grad():
        wanted = graph.module(*inputs)
    wanted = (wanted,) if isinstance(wanted, Tensor) else wanted
    worst = 0.0
    for tensor, ours, theirs in zip(graph.outputs, got, wanted, strict=True):
        gap = float(np.abs(ours - theirs.numpy()).max())
        if not gap <= graph.tolerance * max(1.0, float(theirs.abs().max())):
            raise BackendError(
                f"Graph {graph.name}: output {tensor.name} differs from torch by {gap:.3g}.",
                expected=f"at most {graph.tolerance:.2g} of the largest value",
                fix="report this with the versions of torch, onnx and onnxruntime",
            )
        worst = max(worst, gap)
    return worst


def _name_axes(value: onnx.ValueInfoProto, tensor: TensorInfo, sizes: dict[str, int]) -> None:
    for axis, dim in zip(value.type.tensor_type.shape.dim, tensor.shape, strict=True):
        if isinstance(dim, int) or dim in sizes:
            axis.dim_value = dim if isinstance(dim, int) else sizes[dim]
        else:
            axis.dim_param = dim


def _forget_tracing(model: onnx.ModelProto) -> None:
    """Drops intermediate shapes, and the stack traces that name files of the exporting machine."""
    del model.graph.value_info[:]
    parts = (model, model.graph, *model.graph.node, *model.graph.initializer)
    for part in (*parts, *model.graph.input, *model.graph.output):
        del part.metadata_props[:]
