"""A graph in float16, with the parts that would lose by it kept in float32."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx
from onnx import numpy_helper
from onnxruntime.transformers.float16 import convert_float_to_float16
from onnxruntime.transformers.onnx_model import OnnxModel

from ermu.errors import BackendError

# Norms sum squares over thousands of values, softmax exponentiates, Resize multiplies coordinates.
FLOAT32_OPS = ("InstanceNormalization", "GroupNormalization", "LayerNormalization", "Softmax", "Resize")
_COMPARISONS = ("Greater", "GreaterOrEqual", "Less", "LessOrEqual", "Equal")
LARGEST = float(np.finfo(np.float16).max)


def to_float16(
    model: onnx.ModelProto, *, float32: Sequence[str] = (), places: Sequence[str] = ()
) -> onnx.ModelProto:
    """Converts a graph of a bundle; memories, feature maps and weights become float16.

    Float32 stay: norms, softmax and resizing; whatever is computed from shapes alone (position embeddings,
    mask values); the image's normalisation; what sines are taken of, for whole pixels would be lost; shares
    of counted pixels, of which there are more than float16 reaches; and the inputs and outputs named.

    Args:
        model: Float32, opset 18 to 21; it is changed.
        float32: Inputs and outputs that stay.
        places: Inputs that say where or when something is, of which sines are taken.

    Raises:
        BackendError: a constant does not fit float16.
    """
    _check_constants(model.graph)
    own = {node.name for node in model.graph.node}
    converted: onnx.ModelProto = convert_float_to_float16(
        model,
        keep_io_types=list(float32),
        op_block_list=list(FLOAT32_OPS),
        node_block_list=_exact_nodes(model.graph, places),
    )
    _join_float32(converted.graph, own)
    wrapped = OnnxModel(converted)
    wrapped.prune_graph(allow_remove_graph_inputs=False)  # a decoder need not read every map
    wrapped.topological_sort()
    del converted.graph.value_info[:]
    onnx.checker.check_model(converted)
    return converted


def _check_constants(graph: onnx.GraphProto) -> None:
    for tensor in graph.initializer:
        if tensor.data_type == onnx.TensorProto.FLOAT:
            largest = float(np.abs(numpy_helper.to_array(tensor)).max(initial=0.0))
            if not largest <= LARGEST:
                raise BackendError(
                    f"The constant {tensor.name} reaches {largest:g}.",
                    expected=f"at most {LARGEST:g} in a float16 graph",
                    fix="use --precision fp32 for this checkpoint",
                )


def _exact_nodes(graph: onnx.GraphProto, places: Sequence[str]) -> list[str]:
    """Nodes that stay float32 whatever they do."""
    image = [value.name for value in graph.input if value.name == "image"]
    counts = [name for node in graph.node if node.op_type == "ReduceSum" for name in node.output]
    reached = (
        _reached(graph, image, before=("Conv",)),
        _reached(graph, places, behind=("Sin", "Cos")),
        _reached(graph, counts, behind=_COMPARISONS),
    )
    return [*_shape_nodes(graph), *(name for names in reached for name in names)]


def _shape_nodes(graph: onnx.GraphProto) -> list[str]:
    """Nodes that no input's values reach: they compute with shapes and constants only."""
    reached = {value.name for value in graph.input}
    names = []
    for node in graph.node:
        if node.op_type != "Shape" and reached.intersection(node.input):
            reached.update(node.output)
        else:
            names.append(node.name)
    return names


def _reached(
    graph: onnx.GraphProto, start: Sequence[str], *, before: Sequence[str] = (), behind: Sequence[str] = ()
) -> list[str]:
    """Nodes that values reach, on their way to the next of the operators `before` or `behind` which they end.

    Args:
        graph: The graph.
        start: Names of the values.
        before: Operators that are not among those nodes any more.
        behind: Operators that still are.
    """
    reached, names = set(start), []
    for node in graph.node:
        if reached.intersection(node.input) and node.op_type not in before:
            names.append(node.name)
            if node.op_type not in behind:
                reached.update(node.output)
    return names


def _join_float32(graph: onnx.GraphProto, own: set[str]) -> None:
    """Removes the detour through float16 between two neighbours that both compute in float32.

    Args:
        graph: Converted.
        own: Names of the nodes that it had before; only casts that the conversion added are removed.
    """
    makers = {name: node for node in graph.node if node.name not in own for name in node.output}
    joined = {}
    for node in graph.node:
        maker = makers.get(node.input[0]) if _casts_to(node, onnx.TensorProto.FLOAT) else None
        if maker is not None and _casts_to(maker, onnx.TensorProto.FLOAT16):
            joined[node.output[0]] = maker.input[0]
    for node in graph.node:
        for i, name in enumerate(node.input):
            node.input[i] = joined.get(name, name)


def _casts_to(node: onnx.NodeProto, dtype: int) -> bool:
    return node.op_type == "Cast" and node.attribute[0].i == dtype
