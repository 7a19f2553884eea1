"""What graphs were bound to: made once for the tensors that come back, and holding nobody's memory."""

from __future__ import annotations

import gc
import weakref

import numpy as np

from ermu.devices.host import HostDevice
from ermu.devices.tensor import DeviceTensor
from ermu.runtime.backends.bindings import MOST, Bindings, Key
from tests.runtime.backends.stub_engine import StubDevice

Tensors = dict[str, DeviceTensor]


def counting(device: HostDevice, alignment: int = 1) -> tuple[Bindings[int], list[tuple[Tensors, Tensors]]]:
    """Bindings that are numbered, and what each was made of."""
    made: list[tuple[Tensors, Tensors]] = []

    def bind(key: Key, inputs: Tensors, outputs: Tensors) -> int:
        made.append((inputs, outputs))
        return len(made)

    return Bindings(device, bind, alignment=alignment), made


def test_tensors_that_come_back_are_bound_once() -> None:
    device = HostDevice()
    bindings, made = counting(device)
    x, y, z = (device.empty((2, 3), "f4") for _ in range(3))
    found = [bindings.of({"x": a}, {"y": b}).bound for a, b in ((x, y), (x, z), (x, y), (x, y.reshaped(6)))]
    assert found == [1, 2, 1, 3]
    assert [inputs["x"].address for inputs, _ in made] == [x.address] * 3


def test_memory_is_not_held() -> None:
    device = StubDevice()
    bindings, _ = counting(device)
    x = device.empty((2, 3), "f4")
    bindings.of({"x": x}, {})
    memory = weakref.ref(x.owner)
    del x
    gc.collect()
    assert memory() is None


def test_the_one_used_longest_ago_is_made_anew() -> None:
    device = HostDevice()
    bindings, made = counting(device)
    kept = [device.empty((1,), "f4") for _ in range(MOST + 1)]
    for x in (*kept[:MOST], kept[0], kept[MOST]):
        bindings.of({"x": x}, {})
    assert len(made) == MOST + 1
    assert bindings.of({"x": kept[0]}, {}).bound == 1
    assert bindings.of({"x": kept[1]}, {}).bound == MOST + 2


def test_what_is_not_aligned_is_copied_there_and_back() -> None:
    device = StubDevice()
    bindings, made = counting(device, alignment=256)
    whole = device.empty((100,), "f4")
    x = DeviceTensor(whole.address + 4, (2, 3), np.dtype("f4"), whole)
    y = DeviceTensor(whole.address + 204, (2, 3), np.dtype("f4"), whole)
    binding = bindings.of({"x": x}, {"y": y})
    ((source, read),), ((written, target),) = binding.before, binding.after
    assert binding.bound == 1
    assert (source.address, target.address) == (x.address, y.address)
    assert read.address % 256 == written.address % 256 == 0
    ((inputs, outputs),) = made
    assert (inputs["x"], outputs["y"]) == (read, written)
    aligned = device.empty((2, 3), "f4")
    straight = bindings.of({"x": aligned}, {"y": aligned})
    assert (straight.before, straight.after) == ([], [])
