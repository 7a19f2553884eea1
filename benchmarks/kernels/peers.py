"""What the kernels are held against, and how both are timed."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import onnxruntime as ort

from ermu.benchmarks.kernels.shapes import SLOTS, TOKENS, Heads, Single, Tensors

Run = Callable[[], object]
PAUSE_SECONDS = 0.005  # before each timing: the threads of the library before it may spin a little yet


def _keep_busy(seconds: float) -> None:
    """Waits without sleep, so that the processor neither slows down nor goes to somebody else."""
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        pass


def interleaved(calls: dict[str, Run], repeats: int) -> dict[str, float]:
    """Median milliseconds of each call, the calls taking turns."""
    taken: dict[str, list[float]] = {name: [] for name in calls}
    for call in calls.values():
        call()
    for _ in range(repeats):
        for name, call in calls.items():
            _keep_busy(PAUSE_SECONDS)
            begun = time.perf_counter()
            call()
            taken[name].append(1e3 * (time.perf_counter() - begun))
    return {name: float(np.median(times)) for name, times in taken.items()}


def _options(threads: int) -> ort.SessionOptions:
    """Threads that stop spinning when a run ends: else they take a processor from whatever is timed next."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.add_session_config_entry("session.force_spinning_stop", "1")
    return options


def single_node(
    operator: str,
    inputs: Mapping[str, Single],
    threads: int,
    *,
    held: Mapping[str, Single],
    **attributes: Any,
) -> Run:
    """One operator of ONNX in ONNX Runtime.

    Args:
        operator: Its type.
        inputs: float32, its first.
        threads: Of ONNX Runtime.
        held: float32, the others: constants, which may be packed beforehand.
        attributes: Of the operator.
    """
    from onnx import TensorProto, helper, numpy_helper

    given = [helper.make_tensor_value_info(n, TensorProto.FLOAT, a.shape) for n, a in inputs.items()]
    node = helper.make_node(operator, [*inputs, *held], ["out"], **attributes)
    constants = [numpy_helper.from_array(array, name) for name, array in held.items()]
    output = helper.make_tensor_value_info("out", TensorProto.FLOAT, None)
    graph = helper.make_graph([node], operator, given, [output], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    session = ort.InferenceSession(
        model.SerializeToString(), _options(threads), providers=["CPUExecutionProvider"]
    )
    return lambda: session.run(None, inputs)


def fused_attention(heads: Heads, query: Single, keys: Single, values: Single, threads: int) -> Run:
    """ONNX Runtime's tiled attention on the same queries, keys and values."""
    from onnx import TensorProto, helper

    names = ("query", "key", "value")
    node = helper.make_node(
        "MultiHeadAttention", names, ["out"], domain="com.microsoft", num_heads=heads.heads
    )
    widths = (heads.channels, heads.channels, values.shape[-1])
    inputs = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, None, width])
        for name, width in zip(names, widths, strict=True)
    ]
    output = helper.make_tensor_value_info("out", TensorProto.FLOAT, None)
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("com.microsoft", 1)]
    graph = helper.make_graph([node], "attention", inputs, [output])
    model = helper.make_model(graph, opset_imports=opsets, ir_version=9)
    session = ort.InferenceSession(
        model.SerializeToString(), _options(threads), providers=["CPUExecutionProvider"]
    )
    feed = {
        name: array.reshape(1, -1, array.shape[-1])
        for name, array in zip(names, (query, keys, values), strict=True)
    }
    return lambda: session.run(None, feed)


def materialised_softmax(heads: Heads, tensors: Tensors, threads: int) -> Run:
    """What the published code does: the whole attention in torch, then sums over each frame's keys."""
    import torch

    torch.set_num_threads(threads)
    split = (-1, heads.heads, heads.head_channels)
    query = torch.from_numpy(tensors.query).view(split).transpose(0, 1)
    keys = torch.from_numpy(tensors.keys).view(split).permute(1, 2, 0)

    def run() -> object:
        attention = ((query / heads.head_channels**0.5) @ keys).softmax(dim=-1)
        return attention.view(heads.heads, TOKENS, SLOTS, TOKENS).sum(dim=-1).mean(dim=0)

    return run


def torch_attention(heads: Heads, tensors: Tensors, threads: int) -> Run:
    """torch's fused attention on the same queries, keys and values."""
    import torch

    torch.set_num_threads(threads)

    def split(array: Single) -> torch.Tensor:
        flat = torch.from_numpy(array).reshape(1, -1, heads.heads, array.shape[-1] // heads.heads)
        return flat.transpose(1, 2).contiguous()

    query, keys, values = split(tensors.query), split(tensors.keys), split(tensors.values)

    def run() -> object:
        with torch.inference_mode():
            return torch.nn.functional.scaled_dot_product_attention(query, keys, values)

    return run


def dense_window(query: Single, key: Single, value: Single, band: Single, threads: int) -> Run:
    """DeAOT's window as a whole attention in ONNX Runtime, cut to size by a band of biases (N, N)."""
    from onnx import TensorProto, helper

    feed = {
        "query": query / np.float32(np.sqrt(query.shape[1])),
        "key": key.T.copy(),
        "value": value,
        "band": band,
    }
    nodes = [
        helper.make_node("MatMul", ["query", "key"], ["products"]),
        helper.make_node("Add", ["products", "band"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["weights"], axis=-1),
        helper.make_node("MatMul", ["weights", "value"], ["out"]),
    ]
    inputs = [helper.make_tensor_value_info(n, TensorProto.FLOAT, a.shape) for n, a in feed.items()]
    output = helper.make_tensor_value_info("out", TensorProto.FLOAT, value.shape)
    model = helper.make_model(
        helper.make_graph(nodes, "window", inputs, [output]),
        opset_imports=[helper.make_opsetid("", 18)],
        ir_version=9,
    )
    session = ort.InferenceSession(
        model.SerializeToString(), _options(threads), providers=["CPUExecutionProvider"]
    )
    return lambda: session.run(None, feed)
