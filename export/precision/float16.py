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
LARGEST = float(np.finfo(np.float16).max)


def to_float16(model: onnx.ModelProto, *, float32: Sequence[str] = ()) -> onnx.ModelProto:
    """Converts a graph of a bundle; memories, feature maps and weights become float16.

    Float32 stay: norms, softmax and resizing; whatever is computed from shapes alone (position embeddings,
    mask values); the image's normalisation; and the inputs and outputs named.

    Args:
        model: Float32, opset 18 to 21; it is changed.
        float32: Inputs and outputs that stay.

    Raises:
        BackendError: a constant does not fit float16.
    """
    _check_constants(model.graph)
    own = {node.name for node in model.graph.node}
    converted: onnx.ModelProto = convert_float_to_float16(
        model,
        keep_io_types=list(float32),
        op_block_list=list(FLOAT32_OPS),
        node_block_list=[*_shape_nodes(model.graph), *_pixel_nodes(model.graph)],
    )
    _join_float32(converted.graph, own)
    wrapped = OnnxModel(converted)
    wrapped.prune_graph()
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


def _pixel_nodes(graph: onnx.GraphProto) -> list[str]:
    """Nodes between the image and the first convolution."""
    reached = {value.name for value in graph.input if value.name == "image"}
    names = []
    for node in graph.node:
        if reached.intersection(node.input) and node.op_type != "Conv":
            reached.update(node.output)
            names.append(node.name)
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
