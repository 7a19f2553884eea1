"""The measured limit of a machine: how fast it multiplies large matrices."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from time import perf_counter
from typing import Any

import numpy as np
import numpy.typing as npt

from ermu.benchmarks.report.report import GemmPeak
from ermu.errors import DependencyError

SIDE = 2048
_SECONDS = 1.0  # of multiplying, a precision
_LEAST = 3


def measure_peak(threads: int, *, bf16: bool = False) -> GemmPeak:
    """Best rate of products of SIDE x SIDE matrices: GFLOP/s in fp32, GOP/s of uint8 x int8.

    Args:
        threads: Of the products.
        bf16: Measure bfloat16 as well, by OpenVINO where it is installed; ONNX Runtime has no such product.

    Raises:
        DependencyError: onnx or a runtime is not installed.
    """
    draw = np.random.default_rng(0)
    floats = draw.normal(size=(2, SIDE, SIDE)).astype(np.float32)
    unsigned = draw.integers(0, 256, (SIDE, SIDE), np.uint8)
    signed = draw.integers(-64, 64, (SIDE, SIDE), np.int8)
    product = _product("MatMul", floats[0], floats[1])
    bf16 = bf16 and find_spec("openvino") is not None
    return GemmPeak(
        fp32=_best_rate(_in_onnxruntime(product, floats[0], threads)),
        int8=_best_rate(_in_onnxruntime(_product("MatMulInteger", unsigned, signed), unsigned, threads)),
        bf16=_best_rate(_in_openvino(product, floats[0], threads)) if bf16 else None,
    )


def _best_rate(multiply: Callable[[], object]) -> float:
    """GFLOP/s of the fastest of many products."""
    best, began, count = float("inf"), perf_counter(), 0
    while count < _LEAST or perf_counter() - began < _SECONDS:
        start = perf_counter()
        multiply()
        best, count = min(best, perf_counter() - start), count + 1
    return 2e-9 * SIDE**3 / best


def _product(operator: str, left: npt.NDArray[Any], right: npt.NDArray[Any]) -> bytes:
    """A graph of one product whose right side is constant, as weights are."""
    try:
        import onnx
    except ImportError as error:
        raise DependencyError("onnx", "Measuring the GEMM peak", "bench") from error
    kind = onnx.helper.np_dtype_to_tensor_dtype(left.dtype)
    result = onnx.TensorProto.INT32 if left.dtype == np.uint8 else onnx.TensorProto.FLOAT
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node(operator, ["left", "right"], ["product"])],
        "peak",
        [onnx.helper.make_tensor_value_info("left", kind, left.shape)],
        [onnx.helper.make_tensor_value_info("product", result, (SIDE, SIDE))],
        [onnx.numpy_helper.from_array(right, "right")],
    )
    opsets = [onnx.helper.make_opsetid("", 20)]
    model = onnx.helper.make_model(graph, opset_imports=opsets, ir_version=10)
    return bytes(model.SerializeToString())


def _in_onnxruntime(product: bytes, left: npt.NDArray[Any], threads: int) -> Callable[[], object]:
    try:
        import onnxruntime
    except ImportError as error:
        raise DependencyError("onnxruntime", "Measuring the GEMM peak", "cpu") from error
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(product, settings, providers=["CPUExecutionProvider"])
    return lambda: session.run(None, {"left": left})


def _in_openvino(product: bytes, left: npt.NDArray[Any], threads: int) -> Callable[[], object]:
    import openvino

    from ermu.runtime.backends.libraries.openvino import process_core

    core = process_core()
    settings = {"INFERENCE_PRECISION_HINT": "bf16", "INFERENCE_NUM_THREADS": str(threads)}
    request = core.compile_model(core.read_model(product), "CPU", settings).create_infer_request()
    request.set_tensor("left", openvino.Tensor(left, shared_memory=True))
    return lambda: request.infer()
