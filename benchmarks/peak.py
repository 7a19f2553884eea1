"""The measured limit of a machine: how fast ONNX Runtime multiplies large matrices on it."""

from __future__ import annotations

from time import perf_counter
from typing import Any

import numpy as np
import numpy.typing as npt

from ermu.errors import DependencyError

from .report import GemmPeak

SIDE = 2048
_SECONDS = 1.0  # of multiplying, a precision
_LEAST = 3


def measure_peak(threads: int) -> GemmPeak:
    """Best rate of products of SIDE x SIDE matrices: GFLOP/s in fp32, GOP/s of uint8 x int8."""
    draw = np.random.default_rng(0)
    floats = draw.normal(size=(2, SIDE, SIDE)).astype(np.float32)
    unsigned = draw.integers(0, 256, (SIDE, SIDE), np.uint8)
    signed = draw.integers(-64, 64, (SIDE, SIDE), np.int8)
    return GemmPeak(
        fp32=_best_rate("MatMul", floats[0], floats[1], threads),
        int8=_best_rate("MatMulInteger", unsigned, signed, threads),
    )


def _best_rate(operator: str, left: npt.NDArray[Any], right: npt.NDArray[Any], threads: int) -> float:
    """GFLOP/s of the fastest of many products; the right side is constant, as weights are."""
    session = _session(operator, left, right, threads)
    best, began, count = float("inf"), perf_counter(), 0
    while count < _LEAST or perf_counter() - began < _SECONDS:
        start = perf_counter()
        session.run(None, {"left": left})
        best, count = min(best, perf_counter() - start), count + 1
    return 2e-9 * float(left.shape[0] * left.shape[1] * right.shape[1]) / best


def _session(operator: str, left: npt.NDArray[Any], right: npt.NDArray[Any], threads: int) -> Any:
    try:
        import onnx
        import onnxruntime
    except ImportError as error:
        raise DependencyError(error.name or "onnx", "Measuring the GEMM peak", "bench") from error
    kind = onnx.helper.np_dtype_to_tensor_dtype(left.dtype)
    result = onnx.TensorProto.INT32 if left.dtype == np.uint8 else onnx.TensorProto.FLOAT
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node(operator, ["left", "right"], ["product"])],
        "peak",
        [onnx.helper.make_tensor_value_info("left", kind, left.shape)],
        [onnx.helper.make_tensor_value_info("product", result, (left.shape[0], right.shape[1]))],
        [onnx.numpy_helper.from_array(right, "right")],
    )
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 20)], ir_version=10)
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = threads
    return onnxruntime.InferenceSession(
        model.SerializeToString(), settings, providers=["CPUExecutionProvider"]
    )
