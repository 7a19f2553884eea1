"""An engine's tensors, profiles and CUDA graphs, on a strict stand-in that doubles numbers."""

from __future__ import annotations

import logging

import numpy as np
import pytest

from ermu.devices.tensor import DeviceTensor
from ermu.errors import BackendError
from ermu.runtime.backends.engine import Engine, LoadedEngine
from tests.runtime.backends.stub_engine import MODULE, StubDevice, StubEngine


@pytest.fixture
def device() -> StubDevice:
    return StubDevice()


@pytest.fixture
def stub(device: StubDevice) -> StubEngine:
    return StubEngine(device)


@pytest.fixture
def engine(device: StubDevice, stub: StubEngine) -> Engine:
    loaded = LoadedEngine(stub, "decode", MODULE, "ermu build --bundle B")
    return Engine(loaded, device, device.empty((64,), "u1"))  # type: ignore[arg-type]


def _pair(device: StubDevice, shape: tuple[int, ...]) -> tuple[DeviceTensor, DeviceTensor]:
    return device.empty(shape, "f4"), device.empty(shape, "f4")


def _doubles(engine: Engine, device: StubDevice, x: DeviceTensor, y: DeviceTensor, start: float = 0) -> bool:
    numbers = np.arange(start, start + np.prod(x.shape), dtype="f4").reshape(x.shape)
    device.upload(numbers, x)
    with device.repeating():
        engine.run({"x": x}, {"y": y})
        device.copy(y, y)  # a graph of one piece of work would gain nothing
    return bool((device.download(y) == 2 * numbers).all())


def test_the_third_time_becomes_a_graph(engine, device):
    x, y = _pair(device, (2, 3))
    assert all(_doubles(engine, device, x, y, start) for start in range(6))
    (graph,) = device.graphs
    assert graph.launches == 3
    device.forget_graphs()
    engine.close()
    assert device.graphs == []


def test_a_profile_is_chosen_by_shape(engine, device):
    small, large = _pair(device, (2, 3)), _pair(device, (6, 8))
    for _ in range(5):
        assert _doubles(engine, device, *small)
        assert _doubles(engine, device, *large)


def test_a_shape_that_no_profile_takes(engine, device):
    with pytest.raises(
        BackendError, match=r"No profile of the engine of 'decode' takes x \(9, 8\)"
    ) as caught:
        _doubles(engine, device, *_pair(device, (9, 8)))
    assert "x (1, 1) to (4, 8) or x (5, 1) to (8, 8)" in str(caught.value.expected)
    assert "ermu build --bundle B" in str(caught.value.fix)


@pytest.mark.parametrize(
    ("method", "said"),
    [
        ("set_input_shape", r"the shape \(6, 3\) of x in profile 1"),
        ("set_tensor_address", r"the address 0x\w+ of x \(6, 3\) in profile 1"),
        ("set_optimization_profile_async", "profile 1"),
    ],
)
def test_what_tensorrt_refuses_is_an_error(engine, stub, device, method, said):
    stub.refusing.add(method)
    with pytest.raises(BackendError, match=f"The engine of 'decode' refuses {said}") as caught:
        _doubles(engine, device, *_pair(device, (6, 3)))
    assert caught.value.expected == "x (5, 1) to (8, 8)"
    assert "ermu build --bundle B, with the size" in str(caught.value.fix)


def test_no_execution_context(stub, device):
    stub.refusing.add("create_execution_context")
    with pytest.raises(BackendError, match="makes no execution context for the engine of 'decode'"):
        Engine(LoadedEngine(stub, "decode", MODULE, "ermu build"), device, device.empty((64,), "u1"))


@pytest.mark.parametrize("obstacle", ["it says so", "recording fails", "no second context"])
def test_what_cannot_be_captured_is_launched_and_told_once(engine, stub, device, caplog, obstacle):
    stub.capturable = obstacle != "it says so"
    stub.refusing |= {"recording fails": {"capture"}, "no second context": {"create_execution_context"}}.get(
        obstacle, set()
    )
    one, other = _pair(device, (2, 3)), _pair(device, (6, 8))
    with caplog.at_level(logging.INFO, "ermu"):
        assert all(_doubles(engine, device, *pair) for _ in range(8) for pair in (one, other))
    assert device.graphs == []
    (record,) = caplog.records
    assert record.levelname == "INFO"
    assert "is launched kernel by kernel" in record.getMessage() or "piece by piece" in record.getMessage()


def test_capturing_is_tried_again(engine, stub, device):
    """TensorRT-RTX compiles kernels while the first frames run, and cannot be captured until it has."""
    x, y = _pair(device, (2, 3))
    stub.capturable = False
    assert all(_doubles(engine, device, x, y) for _ in range(5))
    stub.capturable = True
    assert all(_doubles(engine, device, x, y) for _ in range(3))
    assert [graph.launches for graph in device.graphs] == [2]
    assert stub.contexts == 3  # the first, and one for each try: frames 3 and 6


def test_unaligned_tensors_have_stand_ins_of_their_shape(engine, device):
    whole = device.empty((100,), "f4")
    for shape in [(2, 6), (3, 4), (4, 3), (2, 6)]:  # all of 48 bytes
        x = DeviceTensor(whole.address + 4, shape, whole.dtype, whole)
        y = DeviceTensor(whole.address + 204, shape, whole.dtype, whole)
        assert _doubles(engine, device, x, y)
    steady = device.allocations
    assert all(_doubles(engine, device, x, y, start) for start in range(6))
    assert device.allocations == steady
