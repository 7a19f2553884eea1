"""Backends: the right one for a device, tensors in place, errors that say what to do."""

from __future__ import annotations

import numpy as np
import pytest

from ermu.devices.tensorrt_module import load_tensorrt, target_name
from ermu.errors import BackendError, ErmuError, OptionError, StateError
from ermu.registries import BACKENDS
from ermu.runtime.backends.loading import open_backend
from ermu.runtime.bundle.bundle import Bundle
from ermu.runtime.memory.workspace import allocate
from ermu.runtime.segmenter import Segmenter
from tests.support.gpu import no_gpu

without_gpu = pytest.mark.skipif(no_gpu() is None, reason="there is a GPU here")


@pytest.fixture(scope="module")
def tiny(tiny_bundle) -> Bundle:
    return Bundle.load(tiny_bundle)


@pytest.mark.parametrize(
    ("choice", "said"),
    [
        ({"device": "tpu"}, "Unknown device 'tpu'"),
        ({"backend": "openvina"}, "Unknown backend 'openvina'"),
        ({"backend": "tensorrt"}, "does not run on cpu"),
        ({"kernels": "cuda"}, "cannot read tensors on the device 'cpu'"),
        ({"plan": "halves"}, "Unknown plan 'halves'"),
        (
            {"backend": "onnxruntime", "plan": "whole", "precision": "bf16"},
            "cannot run the plan whole in bf16",
        ),
    ],
)
def test_choices_that_make_no_sense(tiny, choice, said):
    bundle = tiny.at_precision(choice.pop("precision", "fp32"))
    with pytest.raises((OptionError, BackendError), match=said):
        open_backend(bundle, **choice)


@without_gpu
@pytest.mark.parametrize("backend", ["onnxruntime", "tensorrt-rtx"])
def test_a_gpu_without_a_driver(tiny, backend):
    if backend == "tensorrt-rtx":
        pytest.importorskip("tensorrt_rtx")
    with pytest.raises(BackendError, match="There is no NVIDIA driver") as caught:
        open_backend(tiny, device="cuda", backend=backend)
    assert "--device cpu, or install the driver" in caught.value.fix


def test_every_reason_is_told_at_once(tiny):
    """The CPU's ONNX Runtime on a machine without a GPU lacks two things."""
    found = BACKENDS.get("onnxruntime").misfits(tiny, "cuda")
    assert len(found) >= 2
    for misfit in found:
        assert misfit.found and misfit.needed and misfit.fix


def test_a_lent_backend_is_of_the_same_bundle_and_has_its_own_options(tiny):
    with open_backend(tiny, threads=1) as backend:
        with pytest.raises(OptionError, match=r"not .* in bf16"):
            Segmenter(tiny, backend=backend, precision="bf16")
        with pytest.raises(OptionError, match=r"runs .*tiny"):
            Segmenter("demo", backend=backend)
        with pytest.raises(OptionError, match="threads: a lent backend has its own"):
            Segmenter(tiny, backend=backend, threads=2)


def test_a_lent_backend_outlives_its_segmenters(tiny_bundle):
    frame, label = np.zeros((64, 80, 3), np.uint8), np.zeros((64, 80), np.uint8)
    label[10:40, 10:40] = 1
    with open_backend(Bundle.load(tiny_bundle), threads=1) as backend:
        first, second = (Segmenter(tiny_bundle, backend=backend) for _ in range(2))
        second.start(frame, label)
        first.close()
        second.step(frame)
    with pytest.raises(StateError, match="closed"):
        second.step(frame)


@without_gpu
def test_a_segmenter_on_a_gpu_that_is_not_there(tiny_bundle):
    with pytest.raises(ErmuError):
        Segmenter(tiny_bundle, device="cuda")


def test_an_unknown_tensorrt_lists_the_known_ones():
    with pytest.raises(OptionError, match="tensorrt, tensorrt-rtx"):
        load_tensorrt("tensorflow")


def test_target_names():
    assert target_name((8, 9)) == "sm89"
    assert target_name((12, 0)) == "sm120"


def test_tensors_are_read_and_written_in_place(tiny):
    with open_backend(tiny, threads=1) as backend:
        device = backend.device
        whole = device.empty((3, 4), np.float32)
        device.upload(np.arange(12, dtype=np.float32).reshape(3, 4), whole)
        assert whole.at(1).address == whole.address + 16
        device.copy(whole.at(2), whole.at(0))
        np.testing.assert_array_equal(device.download(whole)[0], [8, 9, 10, 11])
        assert np.shares_memory(device.kernel_argument(whole.first(2)), device.kernel_argument(whole))


def test_graphs_write_where_they_are_told(tiny):
    info = tiny.manifest.graphs["decode"]
    symbols = {"G": 1, "h": 3, "w": 4, "h8": 5, "w8": 7, "h4": 9, "w4": 13}
    with open_backend(tiny, threads=1) as backend:
        device = backend.device
        inputs = allocate(device, info.inputs, symbols)
        for tensor in inputs.values():
            device.upload(np.ones(tensor.shape, np.float32), tensor)
        two = device.empty((2, 11, 9, 13), np.float32)
        device.upload(np.full(two.shape, np.nan, np.float32), two)
        backend.run("decode", {**inputs, "logits": two.span(1, 1)})
        result = device.download(two)
    assert np.isnan(result[0]).all()
    assert np.isfinite(result[1]).all()
