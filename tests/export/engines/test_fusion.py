"""Which attentions TensorRT-RTX fuses, found by building single ones: what graphs must look like."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from ermu.devices.tensorrt_module import MessageLog, load_tensorrt
from ermu.export.engines.build_log import BuildLog

pytest.importorskip("tensorrt_rtx", reason="TensorRT-RTX is not installed: pip install 'ermu[rtx-build]'")

TOKENS, MEMORY = 943, 9 * 943  # of 353x641
HALF, FULL = TensorProto.FLOAT16, TensorProto.FLOAT


def _tensor(name: str, *shape: int) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, HALF, shape)


def _built(heads: int, key_width: int, value_width: int, *, tiled: bool = False, batch: int = 1) -> BuildLog:
    """One attention as the fp16 graphs have it, softmax in float32; `tiled` repeats query and key."""
    node, shared = helper.make_node, 1 if tiled else heads
    nodes = [
        node("Mul", ["query", "scale"], ["scaled"]),
        *([node("Tile", ["scaled", "heads"], ["q"]), node("Tile", ["key", "heads"], ["k"])] if tiled else []),
        node("MatMul", ["q", "k"] if tiled else ["scaled", "key"], ["logits"]),
        node("Cast", ["logits"], ["full"], to=FULL),
        node("Softmax", ["full"], ["soft"], axis=-1),
        node("Cast", ["soft"], ["weights"], to=HALF),
        node("MatMul", ["weights", "value"], ["read"]),
    ]
    reads = [
        _tensor("query", batch, shared, TOKENS, key_width),
        _tensor("key", batch, shared, key_width, MEMORY),
        _tensor("value", batch, heads, MEMORY, value_width),
    ]
    writes = [_tensor("read", batch, heads, TOKENS, value_width)]
    constants = [
        helper.make_tensor("scale", HALF, [], [key_width**-0.5]),
        helper.make_tensor("heads", TensorProto.INT64, [4], [1, heads, 1, 1]),
    ]
    graph = helper.make_graph(nodes, "attention", reads, writes, constants)
    return _log_of(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)]))


def _log_of(model: onnx.ModelProto) -> BuildLog:
    trt, said = load_tensorrt("tensorrt-rtx").trt, BuildLog()
    log = MessageLog(load_tensorrt("tensorrt-rtx"), said.read)
    builder = trt.Builder(log.logger)
    network = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    assert trt.OnnxParser(network, log.logger).parse(model.SerializeToString())
    config = builder.create_builder_config()
    config.profiling_verbosity = trt.ProfilingVerbosity.DETAILED
    assert builder.build_serialized_network(network, config) is not None, log.errors
    return said


@pytest.mark.parametrize(("heads", "width"), [(8, 32), (2, 128), (2, 256)])
def test_heads_of_one_width_are_fused(heads, width):
    log = _built(heads, width, width)
    assert log.fused_attentions == 1
    assert log.activation_bytes < heads * TOKENS * MEMORY * np.dtype(np.float16).itemsize


@pytest.mark.parametrize(
    ("heads", "key_width", "value_width"), [(1, 128, 128), (1, 128, 1024), (2, 128, 256), (2, 512, 512)]
)
def test_one_head_or_wider_values_are_not(heads, key_width, value_width):
    """DeAOT has both: one head, keys of 128 and values of 1024."""
    assert _built(heads, key_width, value_width).fused_attentions == 0


def test_a_batch_counts_as_heads():
    assert _built(1, 128, 128, batch=2).fused_attentions == 1


def test_the_operator_attention_is_fused_or_refused():
    """Opset 23: never decomposed, so that what has no kernel is not built at all."""
    assert _operator(2, 128, 128) is not None
    assert _operator(1, 128, 128) is None and _operator(1, 128, 1024) is None


def _operator(heads: int, key_width: int, value_width: int) -> BuildLog | None:
    widths = {"query": (TOKENS, key_width), "key": (MEMORY, key_width), "value": (MEMORY, value_width)}
    reads = [_tensor(name, 1, heads, *shape) for name, shape in widths.items()]
    node = helper.make_node("Attention", list(widths), ["read"], scale=key_width**-0.5)
    writes = [_tensor("read", 1, heads, TOKENS, value_width)]
    graph = helper.make_graph([node], "attention", reads, writes)
    try:
        log = _log_of(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 23)]))
    except AssertionError:
        return None
    assert log.fused_attentions == 1
    return log


def test_deaot_would_be_fused_with_its_values_cut_into_heads():
    """Query and key repeated for each of eight heads of 128: 1.8 times the products, no weights in memory."""
    log = _built(8, 128, 128, tiled=True)
    assert log.fused_attentions == 1
    assert log.activation_bytes < _built(1, 128, 1024).activation_bytes
