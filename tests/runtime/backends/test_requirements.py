"""What keeps a backend from a GPU, found out without one: the GPUs here are only said to be there."""

from __future__ import annotations

import pytest

from ermu.devices.tensorrt_module import load_tensorrt
from ermu.errors import BackendError
from ermu.registries import BACKENDS
from ermu.runtime.backends.requirements import no_gpu, wrong_device
from ermu.runtime.backends.tensorrt import unsupported_gpu


@pytest.fixture
def gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    """GPU 0 is a Hopper, GPU 1 an Ada, and there are no more."""

    def capability(index: int = 0) -> tuple[int, int]:
        if index > 1:
            raise BackendError(f"There is no GPU {index}.", expected="a number below 2")
        return (9, 0) if index == 0 else (8, 9)

    monkeypatch.setattr("ermu.devices.cuda.device_capability", capability)
    monkeypatch.setattr("ermu.runtime.backends.tensorrt.device_capability", capability)


def test_tensorrt_rtx_supports_no_hopper(gpus):
    pytest.importorskip("tensorrt_rtx", reason="pip install 'ermu[rtx-build]'")
    library = BACKENDS.get("tensorrt-rtx")
    (misfit,) = library.misfits(None, "cuda")
    assert "does not support compute capability 9.0" in misfit.found
    assert "sm89" in misfit.needed and "sm90" not in misfit.needed
    assert "--backend tensorrt" in misfit.fix
    assert library.misfits(None, "cuda:1") == []


def test_tensorrt_supports_a_hopper():
    pytest.importorskip("tensorrt", reason="pip install 'ermu[tensorrt]'")
    assert unsupported_gpu(load_tensorrt("tensorrt"), (9, 0)) == []


@pytest.mark.parametrize("device", ["cuda", "cuda:1"])
def test_a_gpu_that_is_there(gpus, device):
    assert no_gpu(device) == []
    assert wrong_device("tensorrt", device, ("cuda",)) == []


def test_a_gpu_that_is_not_there(gpus):
    (misfit,) = no_gpu("cuda:2")
    assert misfit.found == "There is no GPU 2"


def test_a_library_for_the_cpu(gpus):
    (misfit,) = BACKENDS.get("openvino").misfits(None, "cuda:1")
    assert misfit.found == "openvino does not run on cuda:1"
