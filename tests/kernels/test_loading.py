"""Which kernels are loaded for which device, and what is said where the best ones cannot be had."""

from __future__ import annotations

import logging
import subprocess
import sys
from pathlib import Path

import pytest

from ermu.devices.host import HostDevice
from ermu.errors import OptionError
from ermu.kernels.loading import load_kernels
from tests.kernels.cpu.compiled import needs_compiler
from tests.kernels.cuda import host_device


@needs_compiler
def test_the_best_for_the_host(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ERMU_KERNELS", raising=False)
    kernels = load_kernels(threads=1)
    assert kernels.name == kernels.scoring.name == kernels.pixels.name == "cpu"
    assert kernels.attention is not None and "fp32" in kernels.attention.precisions
    kernels.check_faults()


def test_numpy_is_numpy_throughout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ERMU_KERNELS", "numpy")
    kernels = load_kernels(HostDevice())
    assert kernels.attention is not None
    assert {kernels.name, kernels.scoring.name, kernels.pixels.name, kernels.attention.name} == {"numpy"}
    assert getattr(kernels.identity, "__module__") == "ermu.kernels.numpy.identity"  # noqa: B009


def test_unknown_and_unfit_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ERMU_KERNELS", raising=False)
    with pytest.raises(OptionError, match="numpy, cpu, cuda"):
        load_kernels(name="vulkan")
    with pytest.raises(OptionError, match="numpy or cpu"):
        load_kernels(name="cuda")


@pytest.mark.skipif(host_device.compiler() is None, reason="there is no g++ to run the CUDA kernels with")
def test_kernels_of_the_host_cannot_read_a_gpu() -> None:
    device = host_device.FiberDevice(host_device.build())
    with pytest.raises(OptionError, match="cannot read tensors"):
        load_kernels(device, "cpu")


@needs_compiler
def test_a_fallback_is_logged(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    from ermu.errors import KernelError
    from ermu.kernels.cpu import scoring

    def missing(wanted: str | None = None) -> str:
        raise KernelError("The CPU kernels did not come with this installation: no compiler.")

    monkeypatch.delenv("ERMU_KERNELS", raising=False)
    monkeypatch.setattr(scoring, "instruction_set", missing)
    with caplog.at_level(logging.WARNING, "ermu.kernels"):
        assert load_kernels().name == "numpy"
    assert "no compiler" in caplog.text
    with pytest.raises(KernelError):
        load_kernels(name="cpu")


def test_without_a_compiler_the_numpy_kernels_serve(tmp_path: Path) -> None:
    """In a fresh process whose library is hidden, whose cache is empty and which finds no compiler."""
    script = (
        "import logging, sys; sys.modules['ermu.kernels.cpu._native'] = None\n"
        "logging.basicConfig()\n"  # a library is quiet until somebody listens
        "from ermu.kernels.loading import load_kernels\n"
        "print(load_kernels().name)"
    )
    environment = {"PATH": "", "ERMU_CACHE": str(tmp_path), "PYTHONPATH": ":".join(sys.path)}
    ran = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True
    )
    assert ran.stdout.strip() == "numpy"
    assert "slow numpy kernels" in ran.stderr
