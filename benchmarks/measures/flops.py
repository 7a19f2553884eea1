"""Counts the arithmetic of a graph: two operations for every multiply-add of its products."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Callable, Mapping
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ermu.benchmarks.report.report import Work
from ermu.errors import BackendError, DependencyError
from ermu.runtime.bundle.bundle import BF16, Bundle
from ermu.runtime.bundle.group_manifest import MOST_TOGETHER, GroupPlan
from ermu.runtime.bundle.manifest import WHOLE
from ermu.runtime.bundle.object_manifest import ObjectManifest, ObjectPlan
from ermu.runtime.bundle.sizes import resolve
from ermu.runtime.images.labels import GROUP_SIZE

if TYPE_CHECKING:
    import onnx

Shape = tuple[int, ...]


def count_frame(bundle: Bundle, symbols: Mapping[str, int], objects: int) -> dict[str, Work]:
    """Work of a steady frame by stage.

    It is what the bundle's graphs ask for, however it is done: dense where the network is a window written
    densely, everything every frame. Whoever avoids work may so get below the floor that follows from it.

    Args:
        bundle: At the precision to count.
        symbols: Values of H, W, h, w, ... and T.
        objects: All but the encoder runs for groups of ten, as many at once as the plan `whole` takes, or for
            each of them.
    """
    manifest, floats = bundle.manifest, "bf16" if bundle.manifest.precision == BF16 else "fp32"
    work, turns = {}, Counter({1: objects})
    if isinstance(manifest, ObjectManifest):
        stages = _own_stages(manifest.plans[WHOLE])
        symbols = {**symbols, "P": manifest.most_pointers}  # the first frame's, and those before the latest
    else:
        stages, groups = _shared_stages(bundle.group_manifest.plans[WHOLE]), -(-objects // GROUP_SIZE)
        turns = Counter(min(MOST_TOGETHER, groups - g) for g in range(0, groups, MOST_TOGETHER))
    for stage, names in stages.items():
        counted = [
            (times, _counted(bundle, name, {**symbols, "G": together}))
            for together, times in ({1: 1} if stage == "encode" else turns).items()
            for name in names
        ]
        int8, other = (sum(times * getattr(one, kind) for times, one in counted) for kind in ("int8", "fp32"))
        work[stage] = Work(int8=int8, **{floats: other})
    return work


def _shared_stages(plan: GroupPlan) -> dict[str, tuple[str, ...]]:
    (propagate,) = plan.propagation
    return {
        "encode": (plan.encode,),
        "propagate": (propagate,),
        "decode": (plan.decode,),
        "memorize": (plan.memorize,),
    }


def _own_stages(plan: ObjectPlan) -> dict[str, tuple[str, ...]]:
    return {
        "encode": (plan.encode,),
        "propagate": (plan.recall, plan.segment),
        "memorize": (plan.memorize,),
    }


def _counted(bundle: Bundle, graph: str, symbols: Mapping[str, int]) -> Work:
    tensors = bundle.manifest.graphs[graph].inputs
    return count_graph(bundle.graph_path(graph), {t.name: resolve(t.shape, symbols) for t in tensors})


def count_graph(path: Path, shapes: Mapping[str, Shape]) -> Work:
    """Work of a graph's convolutions, matrix products and attentions.

    Args:
        path: Of the ONNX file.
        shapes: Of its inputs.

    Raises:
        BackendError: a product's shape cannot be told.
        DependencyError: onnx is not installed.
    """
    model = with_shapes(path, shapes)
    known = known_shapes(model)
    quantised = {
        name for node in model.graph.node if node.op_type == "DequantizeLinear" for name in node.output
    }
    total = {"fp32": 0, "int8": 0}
    for node in model.graph.node:
        rule = _RULES.get(node.op_type)
        if rule is None:
            continue
        try:
            operations = rule(node, known)
        except KeyError as error:
            raise BackendError(
                f"{path}: the shape of {error} in {node.op_type} '{node.name}' is unknown."
            ) from error
        integer = node.op_type in _INTEGER or (node.input[0] in quantised and node.input[1] in quantised)
        total["int8" if integer else "fp32"] += operations
    return Work(fp32=total["fp32"] / 1e9, int8=total["int8"] / 1e9)


def with_shapes(path: Path, shapes: Mapping[str, Shape]) -> onnx.ModelProto:
    """The graph with its inputs' shapes set, and whatever depends on shapes alone folded by ONNX Runtime.

    Raises:
        DependencyError: onnx or ONNX Runtime is not installed.
    """
    try:
        import onnx
        import onnxruntime

        from ermu.export.weights import read_graph
    except ImportError as error:
        raise DependencyError(error.name or "onnx", "Counting FLOPs", "bench") from error
    model = read_graph(path)
    for tensor in model.graph.input:
        for dimension, value in zip(tensor.type.tensor_type.shape.dim, shapes[tensor.name], strict=True):
            dimension.dim_value = value
    del model.graph.value_info[:]
    settings = onnxruntime.SessionOptions()
    settings.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    settings.log_severity_level = 3
    with tempfile.TemporaryDirectory() as folder:
        folded = Path(folder) / "folded.onnx"
        settings.optimized_model_filepath = str(folded)
        onnxruntime.InferenceSession(model.SerializeToString(), settings, providers=["CPUExecutionProvider"])
        return onnx.shape_inference.infer_shapes(onnx.load(str(folded)), data_prop=True)


def known_shapes(model: onnx.ModelProto) -> dict[str, Shape]:
    """Shapes of the tensors of a graph, those that are known."""
    shapes = {tensor.name: tuple(tensor.dims) for tensor in model.graph.initializer}
    for value in (*model.graph.input, *model.graph.value_info, *model.graph.output):
        dimensions = value.type.tensor_type.shape.dim
        if all(d.HasField("dim_value") for d in dimensions):
            shapes[value.name] = tuple(d.dim_value for d in dimensions)
    return shapes


def _conv(node: Any, shapes: Mapping[str, Shape]) -> int:
    """Every output element sums input channels of its group x kernel."""
    weight = shapes[node.input[3 if node.op_type == "QLinearConv" else 1]]
    return 2 * prod(shapes[node.output[0]]) * prod(weight[1:])


def _conv_transpose(node: Any, shapes: Mapping[str, Shape]) -> int:
    """Every input element goes to output channels of its group x kernel."""
    return 2 * prod(shapes[node.input[0]]) * prod(shapes[node.input[1]][1:])


def _matmul(node: Any, shapes: Mapping[str, Shape]) -> int:
    """... x m x k times ... x k x n, leading axes broadcast."""
    left, right = shapes[node.input[0]], shapes[node.input[3 if node.op_type == "QLinearMatMul" else 1]]
    left, right = (1, *left) if len(left) == 1 else left, (*right, 1) if len(right) == 1 else right
    rank = max(len(left), len(right)) - 2
    leads = [(1,) * (rank + 2 - len(shape)) + shape[:-2] for shape in (left, right)]
    return 2 * prod(map(max, *leads) if rank else ()) * left[-2] * left[-1] * right[-1]


def _gemm(node: Any, shapes: Mapping[str, Shape]) -> int:
    flags = {attribute.name: attribute.i for attribute in node.attribute}
    rows, inner = shapes[node.input[0]][:: -1 if flags.get("transA") else 1]
    return 2 * rows * inner * shapes[node.input[1]][0 if flags.get("transB") else 1]


def _attention(node: Any, shapes: Mapping[str, Shape]) -> int:
    """Weights from Q and K, then their product with V: B x n x D or B x heads x n x d."""
    query, key, value = (shapes[name] for name in node.input[:3])
    return 2 * prod(query[:-1]) * key[-2] * (query[-1] + value[-1])


_RULES: dict[str, Callable[[Any, Mapping[str, Shape]], int]] = {
    "Conv": _conv,
    "ConvInteger": _conv,
    "ConvTranspose": _conv_transpose,
    "QLinearConv": _conv,
    "MatMul": _matmul,
    "MatMulInteger": _matmul,
    "QLinearMatMul": _matmul,
    "Gemm": _gemm,
    "Attention": _attention,
    "MultiHeadAttention": _attention,
}
_INTEGER = {"ConvInteger", "QLinearConv", "MatMulInteger", "QLinearMatMul"}
