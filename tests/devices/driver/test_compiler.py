"""NVRTC from NVIDIA's wheels: compiles the kernels without a CUDA toolkit, and says what it does not."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pytest

from ermu.devices.driver.compiler import compile_source

# In a process of its own: NVRTC looks for a driver that is loaded, and the emulated one would not do.
AT_FIRST_USE = """
import shutil
from ermu.kernels.cuda import binary
binary.created = lambda function: 13000  # the driver's CUDA version
shutil.which = lambda name: None
print(binary.fatbin(89))
"""
WRONG = """
from ermu.devices.driver.compiler import compile_source
compile_source("__global__ void f() { g(); }", 89, major=13, includes=[])
"""


def _installed() -> bool:
    try:
        version("nvidia-cuda-nvrtc")
    except PackageNotFoundError:
        return False
    return True


def _python(script: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Where there is no CUDA toolkit, and nothing in the cache."""
    without = {"CUDA_HOME": str(folder / "none"), "ERMU_CACHE": str(folder), "NVCC": ""}
    options = dict(capture_output=True, text=True, check=False, env={**os.environ, **without})
    return subprocess.run([sys.executable, "-c", script], **options)


needs_nvrtc = pytest.mark.skipif(not _installed(), reason="NVRTC is missing: pip install 'ermu[cuda13]'")


@needs_nvrtc
def test_kernels_are_compiled_where_there_is_no_toolkit(tmp_path: Path) -> None:
    """At first use, for the GPU that is there."""
    ran = _python(AT_FIRST_USE, tmp_path)
    assert ran.returncode == 0, ran.stderr
    module = Path(ran.stdout.strip()).read_bytes()
    assert module.startswith(b"\x7fELF")
    kernels = "prepare_frame_exact", "split_groups", "identity_tokens", "pick_queries", "slot_cosines"
    for launched in kernels:
        assert b"\0.text.%s\0" % launched.encode() in module, launched


@needs_nvrtc
def test_what_does_not_compile_is_told(tmp_path: Path) -> None:
    ran = _python(WRONG, tmp_path)
    assert ran.returncode == 1
    assert 'kernels.cu(1): error: identifier "g" is undefined' in ran.stderr


def test_no_such_library() -> None:
    with pytest.raises(OSError, match=r"there is no nvcc, and no libnvrtc.so.7 \(NVRTC\) either"):
        compile_source("", 89, major=7, includes=[])
