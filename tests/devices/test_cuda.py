"""The CUDA device: contexts left on no thread, bytes counted, errors named, nothing leaked."""

from __future__ import annotations

import ctypes
import gc
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from ermu.devices.cuda import CudaDevice
from ermu.errors import BackendError, StateError
from ermu.kernels.cuda.binary import fatbin
from tests.emulated_gpu import counters

ROOT = Path(__file__).parents[2]


class Params(ctypes.Structure):
    _fields_ = (("number", ctypes.c_int),)


@pytest.fixture(params=["emulated", pytest.param("gpu", marks=pytest.mark.gpu)])
def device(request: pytest.FixtureRequest) -> Iterator[CudaDevice]:
    if request.param == "emulated":
        request.getfixturevalue("emulated_driver")
    with CudaDevice() as device:
        yield device


def in_thread(work: Callable[[], None]) -> None:
    """Runs it in a thread that ends, and raises here what it raised there."""
    failures: list[BaseException] = []

    def run() -> None:
        try:
            work()
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if failures:
        raise failures[0]


@pytest.mark.parametrize("dtype", [np.float32, np.float16, np.uint8, np.float64])
def test_copies_and_counts(device: CudaDevice, dtype: type) -> None:
    array = np.arange(60).reshape(3, 4, 5).astype(dtype)
    first, second = device.empty((3, 4, 5), dtype), device.empty((3, 4, 5), dtype)
    device.upload(array, first)
    device.copy(first, second)
    np.testing.assert_array_equal(device.download(second.at(1)), array[1])
    assert device.kernel_argument(first) is first
    assert (device.uploaded_bytes, device.downloaded_bytes) == (array.nbytes, array.nbytes // 3)
    assert device.live_bytes == 2 * array.nbytes


def test_an_upload_casts_and_lets_the_array_go(device: CudaDevice) -> None:
    tensor, array = device.empty((2, 3), np.float16), np.full((3, 2), 1.5).T
    device.upload(array, tensor)
    array[:] = 0
    np.testing.assert_array_equal(device.download(tensor), np.full((2, 3), 1.5, np.float16))


def test_nothing_at_all_can_be_copied(device: CudaDevice) -> None:
    empty = device.empty((0, 5), np.float32)
    device.upload(np.empty((0, 5)), empty)
    device.copy(empty, empty)
    assert device.download(empty).shape == (0, 5)


def test_every_thread_may_use_it(device: CudaDevice) -> None:
    tensor = device.empty((4,), np.float32)

    def work() -> None:
        own = device.empty((4,), np.float32)
        device.upload(np.arange(4), own)
        device.copy(own, tensor)
        device.synchronize()

    in_thread(work)
    np.testing.assert_array_equal(device.download(tensor), np.arange(4))
    assert device.live_bytes == 16


def test_memory_dropped_in_another_thread_is_freed(device: CudaDevice) -> None:
    held = [device.empty((1000,), np.uint8)]

    def drop() -> None:
        held.clear()
        gc.collect()

    in_thread(drop)
    assert device.live_bytes == 0


@pytest.mark.usefixtures("emulated_driver")
def test_no_context_stays_on_a_stack() -> None:
    left: list[int] = []
    device = CudaDevice()

    def work() -> None:
        tensor = device.empty((4,), np.float32)
        device.upload(np.zeros(4), tensor)
        device.download(tensor)
        with pytest.raises(BackendError):
            device.empty((1 << 40,), np.uint8)
        left.append(counters.pushed())

    work()
    in_thread(work)
    in_thread(device.close)
    assert left == [0, 0] and counters.pushed() == 0
    assert not any(counters.held().values())


@pytest.mark.usefixtures("emulated_driver")
def test_closing_frees_what_is_still_held() -> None:
    device = CudaDevice()
    kept = device.empty((100,), np.uint8)
    assert counters.held()["live_bytes"] == device.live_bytes == 100
    device.close()
    device.close()
    assert device.live_bytes == 0 and not any(counters.held().values())
    with pytest.raises(StateError, match="closed"):
        device.download(kept)
    del kept


@pytest.mark.usefixtures("emulated_driver")
def test_a_forgotten_device_closes_with_its_last_tensor() -> None:
    device = CudaDevice()
    kept = device.empty((100,), np.uint8)
    del device
    gc.collect()
    assert (counters.held()["live_bytes"], counters.held()["contexts"]) == (100, 1)
    del kept
    gc.collect()
    assert not any(counters.held().values())


@pytest.mark.usefixtures("emulated_driver")
def test_errors_name_the_device_and_the_size() -> None:
    with CudaDevice() as device:
        image = Path(fatbin(89)).read_bytes()
        device.load_module(image)
        device.load_module(image)
        with pytest.raises(
            BackendError, match=r"\(Emulated GPU\) ran out of memory.* 1099511627776 bytes \("
        ):
            device.empty((1 << 40,), np.uint8)
        with pytest.raises(
            BackendError, match=r"launching split_groups on \(0, 1, 1\) blocks of \(32, 1, 1\)"
        ):
            device.launch("split_groups", (0, 1, 1), (32, 1, 1), Params())
        with pytest.raises(BackendError, match="has a function 'unknown'"):
            device.launch("unknown", (1, 1, 1), (32, 1, 1), Params())
        with pytest.raises(BackendError, match=r"loading a module of 3 bytes.*no kernel image"):
            device.load_module(b"ptx")
    with pytest.raises(BackendError, match="no GPU 1"):
        CudaDevice(1)


@pytest.mark.usefixtures("emulated_driver")
def test_a_fault_stays_until_the_device_is_reset() -> None:
    """CUDA's sticky errors: every call of the context answers with them; a reset takes everything along."""
    device, other = CudaDevice(), CudaDevice()
    tensor = device.empty((4,), np.float32)
    assert not device.lost
    counters.fail_launch(1)
    device.load_module(Path(fatbin(89)).read_bytes())
    device.launch("split_groups", (1, 1, 1), (32, 1, 1), Params())
    with pytest.raises(BackendError, match=r"waiting for the stream: .*illegal.*\(CUDA error 700"):
        device.synchronize()
    assert device.lost and other.lost
    with pytest.raises(BackendError, match="CUDA error 700"):
        device.download(tensor)
    with pytest.raises(BackendError, match="CUDA error 700"):
        other.empty((1,), np.uint8)
    other.close()
    device.reset()
    del tensor
    assert not any(counters.held().values())
    with CudaDevice() as new:
        again = new.empty((4,), np.float32)
        new.upload(np.arange(4), again)
        np.testing.assert_array_equal(new.download(again), np.arange(4))
        assert not new.lost


@pytest.mark.gpu
def test_a_captured_graph_repeats_its_work() -> None:
    with CudaDevice() as device:
        source, target = device.empty((4,), np.float32), device.empty((4,), np.float32)
        device.upload(np.zeros(4), target)
        dropped = [device.empty((8,), np.float32)]

        def work() -> None:
            device.copy(source, target)
            dropped.clear()

        graph = device.capture(work)
        device.upload(np.arange(4), source)
        assert not device.download(target).any()
        graph.launch()
        np.testing.assert_array_equal(device.download(target), np.arange(4))
        graph.close()
        assert device.live_bytes == source.nbytes + target.nbytes


@pytest.mark.gpu
@pytest.mark.parametrize("end", ["", "device.close()", "raise SystemExit(3)", "thread(device.close)"])
def test_a_process_ends_cleanly(end: str) -> None:
    """However it ends, in a process of its own: a context left on a stack would abort it."""
    script = (
        "import threading, numpy\n"
        "from ermu.devices.cuda import CudaDevice\n"
        "def thread(work):\n"
        "    started = threading.Thread(target=work); started.start(); started.join()\n"
        "device = CudaDevice()\n"
        "tensor = device.empty((4,), 'f4')\n"
        "thread(lambda: device.upload(numpy.zeros(4), tensor))\n"
        "thread(lambda: device.download(device.empty((4,), 'f4')))\n" + end
    )
    ran = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True)
    assert ran.returncode == (3 if "Exit" in end else 0), ran.stderr
    assert ran.stderr == ""


def test_memory_may_be_asked_for_from_any_thread(device: CudaDevice) -> None:
    told: list[tuple[int, int]] = []
    in_thread(lambda: told.append(device.memory()))
    ((free, total),) = told
    assert 0 < free <= total
    device.close()
    with pytest.raises(StateError, match="closed"):
        device.memory()
