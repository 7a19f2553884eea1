"""The CUDA kernels on fibers under sanitizers, and proof that fibers and sanitizers see what they should."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from ermu.kernels.cuda.loading import cuda_kernels
from ermu.kernels.loading import numpy_kernels
from tests.kernels.calls import Caller
from tests.kernels.cuda import host_device
from tests.kernels.kernel_cases import random_scoring

pytestmark = pytest.mark.skipif(
    host_device.compiler() is None, reason="there is no g++ to run the kernels with"
)

ROOT = Path(__file__).parents[3]
MASSES, RELEVANCE = "scoring/masses.cu", "scoring/relevance.cu"


def run_sanitized(sources: Path) -> subprocess.CompletedProcess[str]:
    """Runs `sanitized_run.py` in a process that has the sanitizers loaded before Python."""
    library = host_device.build(sources, sanitize=True)
    runtime = [_printed("libasan.so"), _printed("libubsan.so")]
    environment = os.environ | {
        "LD_PRELOAD": ":".join(runtime),
        "ASAN_OPTIONS": "detect_leaks=0",
        "PYTHONPATH": str(ROOT),
        "OMP_NUM_THREADS": "1",
    }
    command = [sys.executable, str(Path(__file__).parent / "sanitized_run.py"), str(library)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)


def _printed(name: str) -> str:
    found = subprocess.run(["g++", f"-print-file-name={name}"], check=True, capture_output=True, text=True)
    return found.stdout.strip()


def planted(folder: Path, file: str, original: str, changed: str) -> Path:
    """A copy of the sources with one place changed."""
    copy = folder / "src"
    shutil.copytree(host_device.KERNELS, copy)
    text = (copy / file).read_text()
    assert text.count(original) == 1
    (copy / file).write_text(text.replace(original, changed))
    return copy


def test_sanitizers_find_nothing() -> None:
    ran = run_sanitized(host_device.KERNELS)
    assert ran.returncode == 0, ran.stderr[-3000:]
    assert "agrees" in ran.stdout


@pytest.mark.parametrize(
    ("file", "guard", "changed", "said"),
    [
        (MASSES, "at < p.tokens ?", "at <= p.tokens ?", "heap-buffer-overflow"),
        (RELEVANCE, "sums[thread + half]", "sums[thread + 2 * half]", "out of bounds for type"),
        (
            "identity/identity.cu",
            "x < p.width && y < p.height",
            "x < p.width && y <= p.height",
            "heap-buffer-overflow",
        ),
    ],
)
def test_a_planted_fault_is_caught(tmp_path: Path, file: str, guard: str, changed: str, said: str) -> None:
    """The test of the test: reads one past the keys or the map, or past shared memory."""
    ran = run_sanitized(planted(tmp_path, file, guard, changed))
    assert ran.returncode != 0
    assert said in ran.stderr


def test_a_missing_barrier_is_noticed(tmp_path: Path) -> None:
    """The test of the emulation: without that barrier, threads multiply tiles not yet filled."""
    guarded = "            __syncthreads();\n            multiply<"
    copy = planted(tmp_path, MASSES, guarded, "            multiply<")
    device = host_device.FiberDevice(host_device.build(copy))
    case = random_scoring(2, 70, 1, 32)
    masses = Caller(cuda_kernels(device), device).frame_masses(case)
    assert not np.allclose(masses, Caller(numpy_kernels()).frame_masses(case), atol=1e-2)
