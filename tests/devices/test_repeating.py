"""A GPU that launches repeated work as graphs: the same results, in the same order, with what changed."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from ermu.devices.repeating import RepeatingDevice

pytestmark = pytest.mark.gpu


@pytest.fixture
def device() -> Iterator[RepeatingDevice]:
    with RepeatingDevice() as device:
        yield device


def test_a_graph_does_what_its_parts_did(device: RepeatingDevice) -> None:
    first, second, third = (device.empty((4,), np.float32) for _ in range(3))
    launches = []
    for i in range(6):
        before = device.launches
        with device.repeating():
            device.upload(np.full(4, i), first)
            device.copy(first, second)
            device.copy(second, third)
            np.testing.assert_array_equal(device.download(third), np.full(4, i))
        launches.append(device.launches - before)
    assert launches == [4, 4, 4, 3, 3, 3]  # upload and download, and two copies or a graph of them


def test_what_comes_from_the_host_keeps_its_place(device: RepeatingDevice) -> None:
    source, target = (device.empty((4,), np.float32) for _ in range(2))
    device.upload(np.zeros(4), source)
    with device.repeating():
        device.copy(source, target)
        device.upload(np.ones(4), source)
    assert not device.download(target).any()
    assert device.download(source).all()


def test_waiting_hands_over_what_was_held_back(device: RepeatingDevice) -> None:
    source, target = (device.empty((4,), np.float32) for _ in range(2))
    device.upload(np.ones(4), source)
    with device.repeating():
        device.copy(source, target)
        device.synchronize()
        assert device.download(target).all()


def test_waited_for_launches_are_never_held_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ERMU_CUDA_SYNC", "1")
    with RepeatingDevice() as device:
        source, target = (device.empty((4,), np.float32) for _ in range(2))
        with device.repeating():
            before = device.launches
            device.copy(source, target)
            assert device.launches == before + 1
