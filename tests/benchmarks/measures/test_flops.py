"""FLOPs are counted as by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from ermu.benchmarks.measures.flops import count_frame, count_graph
from ermu.benchmarks.report.report import GemmPeak, Work
from ermu.errors import BackendError
from ermu.runtime.bundle.bundle import Bundle
from ermu.runtime.bundle.sizes import Grids

FLOAT = TensorProto.FLOAT


def _save(path: Path, nodes: list, inputs: dict, output: tuple, constants: dict | None = None) -> Path:
    graph = helper.make_graph(
        nodes,
        "case",
        [helper.make_tensor_value_info(name, FLOAT, shape) for name, shape in inputs.items()],
        [helper.make_tensor_value_info(output[0], FLOAT, output[1])],
        [numpy_helper.from_array(value, name) for name, value in (constants or {}).items()],
    )
    opsets = [helper.make_opsetid("", 20), helper.make_opsetid("com.microsoft", 1)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=10), str(path))
    return path


def test_convolution_with_stride_and_groups(tmp_path: Path) -> None:
    """8 channels in two groups of 4 to 6: 3 x 3, stride 2 on 10 x 12 -> 5 x 6."""
    node = helper.make_node("Conv", ["x", "w"], ["y"], strides=[2, 2], pads=[1, 1, 1, 1], group=2)
    weight = {"w": np.zeros((6, 4, 3, 3), np.float32)}
    path = _save(tmp_path / "conv.onnx", [node], {"x": [1, 8, "H", "W"]}, ("y", None), weight)
    work = count_graph(path, {"x": (1, 8, 10, 12)})
    assert work.fp32 * 1e9 == pytest.approx(2 * (6 * 5 * 6) * (4 * 3 * 3))
    assert work.int8 == 0


def test_transposed_convolution(tmp_path: Path) -> None:
    """6 channels to 4 at twice the size: each of 5 x 7 places goes to 2 x 2 others."""
    node = helper.make_node("ConvTranspose", ["x", "w"], ["y"], strides=[2, 2])
    weight = {"w": np.zeros((6, 4, 2, 2), np.float32)}
    path = _save(tmp_path / "up.onnx", [node], {"x": [1, 6, "H", "W"]}, ("y", None), weight)
    assert count_graph(path, {"x": (1, 6, 5, 7)}).fp32 * 1e9 == pytest.approx(2 * (6 * 5 * 7) * (4 * 2 * 2))


def test_products_whose_shapes_are_computed_in_the_graph(tmp_path: Path) -> None:
    """(T, n, 3) as (T * n, 3) times (3, 5), then 4 rows against all T * n of them: T = 2, n = 7."""
    nodes = [
        helper.make_node("Shape", ["keys"], ["rows"], start=0, end=1),
        helper.make_node("Shape", ["keys"], ["tokens"], start=1, end=2),
        helper.make_node("Mul", ["rows", "tokens"], ["all"]),
        helper.make_node("Concat", ["all", "three"], ["flat"], axis=0),
        helper.make_node("Reshape", ["keys", "flat"], ["k"]),
        helper.make_node("MatMul", ["k", "w"], ["projected"]),
        helper.make_node("Gemm", ["query", "projected"], ["y"], transB=1),
    ]
    constants = {"three": np.array([3], np.int64), "w": np.ones((3, 5), np.float32)}
    inputs = {"keys": ["T", "n", 3], "query": [4, 5]}
    path = _save(tmp_path / "dynamic.onnx", nodes, inputs, ("y", None), constants)
    work = count_graph(path, {"keys": (2, 7, 3), "query": (4, 5)})
    assert work.fp32 * 1e9 == pytest.approx(2 * 14 * 3 * 5 + 2 * 4 * 5 * 14)


def test_broadcast_product(tmp_path: Path) -> None:
    """2 x 1 x (3 x 4) times 5 x (4 x 6): ten products."""
    node = helper.make_node("MatMul", ["a", "b"], ["y"])
    path = _save(tmp_path / "broadcast.onnx", [node], {"a": [2, 1, 3, 4], "b": [5, 4, 6]}, ("y", None))
    work = count_graph(path, {"a": (2, 1, 3, 4), "b": (5, 4, 6)})
    assert work.fp32 * 1e9 == pytest.approx(2 * 10 * 3 * 4 * 6)


def test_fused_attention(tmp_path: Path) -> None:
    """7 queries of 8 channels against 20 keys, values of 12 channels."""
    node = helper.make_node("MultiHeadAttention", ["q", "k", "v"], ["y"], domain="com.microsoft", num_heads=4)
    shapes = {"q": (1, 7, 8), "k": (1, 20, 8), "v": (1, 20, 12)}
    path = _save(tmp_path / "fused.onnx", [node], {k: list(v) for k, v in shapes.items()}, ("y", None))
    assert count_graph(path, shapes).fp32 * 1e9 == pytest.approx(2 * 7 * 20 * (8 + 12))


def test_a_quantised_product_counts_as_int8(tmp_path: Path) -> None:
    scale, zero = "scale", "zero"
    nodes = [
        helper.make_node("QuantizeLinear", ["x", scale, zero], ["xq"]),
        helper.make_node("DequantizeLinear", ["xq", scale, zero], ["xd"]),
        helper.make_node("DequantizeLinear", ["wq", scale, zero], ["wd"]),
        helper.make_node("Conv", ["xd", "wd"], ["y"]),
    ]
    constants = {
        "scale": np.array(0.1, np.float32),
        "zero": np.array(0, np.int8),
        "wq": np.ones((3, 2, 1, 1), np.int8),
    }
    path = _save(tmp_path / "int8.onnx", nodes, {"x": [1, 2, 4, 4]}, ("y", None), constants)
    work = count_graph(path, {"x": (1, 2, 4, 4)})
    assert work.int8 * 1e9 == pytest.approx(2 * 3 * 16 * 2)
    assert work.fp32 == 0


def test_the_floor_adds_up_over_arithmetics() -> None:
    """10 ms each; without a peak of its own bf16 counts as fp32."""
    work = Work(fp32=2, int8=8, bf16=4)
    assert work.floor_ms(GemmPeak(fp32=200, int8=800, bf16=400)) == pytest.approx(30)
    assert work.floor_ms(GemmPeak(fp32=200, int8=800)) == pytest.approx(40)
    assert work.total == 14


def test_an_unknown_shape_is_refused(tmp_path: Path) -> None:
    """What depends on values cannot be counted: said, not left out."""
    nodes = [
        helper.make_node("NonZero", ["x"], ["where"]),
        helper.make_node("Cast", ["where"], ["a"], to=FLOAT),
        helper.make_node("MatMul", ["b", "a"], ["y"]),
    ]
    path = _save(tmp_path / "unknown.onnx", nodes, {"x": [4, 4], "b": [3, 2]}, ("y", None))
    with pytest.raises(BackendError, match="unknown"):
        count_graph(path, {"x": (4, 4), "b": (3, 2)})


def test_long_attention_grows_with_the_memory(tiny_bundle: Path) -> None:
    """A memory frame more costs each block two products of n x n x width; groups share the encoder alone."""
    bundle = Bundle.load(tiny_bundle)
    grids = Grids(33, 49, bundle.manifest.network.grid)
    (h, w), network = grids.tokens, bundle.manifest.network
    one, two = (count_frame(bundle, {**grids.symbols(), "T": t}, 1) for t in (2, 3))
    more = 2 * network.blocks * (h * w) ** 2 * (network.key_width + network.width)
    assert (two["propagate"].fp32 - one["propagate"].fp32) * 1e9 == pytest.approx(more)
    both = count_frame(bundle, {**grids.symbols(), "T": 2}, 11)
    assert both["encode"] == one["encode"]
    assert both["decode"].fp32 == pytest.approx(2 * one["decode"].fp32)
