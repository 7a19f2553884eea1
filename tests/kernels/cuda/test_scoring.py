"""The .cu files themselves, executed on the CPU thread by thread, against the oracle and sanitizers."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from ermu.errors import KernelError
from ermu.kernels.base.scoring import ScoreConstants
from ermu.kernels.cuda.scoring import CudaKernels
from ermu.kernels.numpy.scoring import ReferenceKernels, redundancy_direct
from tests.kernels.cuda import host_device
from tests.kernels.kernel_cases import (
    ADVERSARIAL,
    HEADS,
    Event,
    Scoring,
    load_event,
    random_logits,
    random_scoring,
)

pytestmark = pytest.mark.skipif(
    host_device.compiler() is None, reason="there is no g++ to run the kernels with"
)

ORACLE = ReferenceKernels()
SHAPES = [(1, 1, 1, 32), (3, 70, 2, 32), (32, 5, 1, 32), (2, 65, 1, 128)]
ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def device() -> host_device.HostDevice:
    return host_device.HostDevice(host_device.build())


@pytest.fixture(scope="module")
def cuda(device: host_device.HostDevice) -> CudaKernels:
    return CudaKernels(device)


def assert_masses(kernels: CudaKernels, case: Scoring) -> None:
    masses = kernels.frame_masses(case.query, case.keys, case.rows, heads=case.heads)
    expected = ORACLE.frame_masses(case.query, case.keys, case.rows, heads=case.heads)
    np.testing.assert_allclose(masses, expected, rtol=1e-5, atol=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_masses_are_the_oracles(cuda: CudaKernels, shape: tuple[int, int, int, int], dtype: type) -> None:
    assert_masses(cuda, random_scoring(*shape, dtype=dtype))


@pytest.mark.parametrize("name", ADVERSARIAL)
def test_adversarial_masses(cuda: CudaKernels, name: str) -> None:
    assert_masses(cuda, ADVERSARIAL[name]())


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
@pytest.mark.parametrize("shape", [(2, 70, 1, 32), (2, 20, 1, 128)], ids=str)
def test_int8_is_the_cpus(
    device: host_device.HostDevice, shape: tuple[int, int, int, int], dtype: type
) -> None:
    """Two implementations of the same quantisation; test_cpu.py holds the other against its definition."""
    cpu = pytest.importorskip("ermu.kernels.cpu.kernels")
    case = random_scoring(*shape, dtype=dtype)
    masses = CudaKernels(device, precision="int8").frame_masses(
        case.query, case.keys, case.rows, heads=case.heads
    )
    other = cpu.CpuKernels(precision="int8").frame_masses(case.query, case.keys, case.rows, heads=case.heads)
    np.testing.assert_allclose(masses, other, atol=2e-3)


def test_relevance_is_the_oracles(cuda: CudaKernels) -> None:
    case = random_scoring(3, 70, 2, 32)
    foreground = np.where(np.arange(70) % 7 == 0, 0.9, 1e-9).astype(np.float32)
    relevance = cuda.relevance(case.query, case.keys, case.rows, foreground, heads=2)
    expected = ORACLE.relevance(case.query, case.keys, case.rows, foreground, heads=2)
    np.testing.assert_allclose(relevance, expected, rtol=1e-5)
    nothing = cuda.relevance(case.query, case.keys, case.rows, np.zeros(70, dtype=np.float32), heads=2)
    np.testing.assert_array_equal(nothing, np.full(3, 1 / 3))


@pytest.mark.parametrize("precision", ["exact", "int8"])
@pytest.mark.parametrize("model", HEADS)
def test_golden_eviction(device: host_device.HostDevice, model: str, precision: str) -> None:
    kernels, event = CudaKernels(device, precision=precision), load_event(model, 0)  # type: ignore[arg-type]
    rows = np.zeros((len(event.keys), event.keys.shape[2]), dtype=np.float32)
    relevance = kernels.relevance(event.query, event.keys, rows, event.foreground, heads=HEADS[model])
    eviction = kernels.choose_eviction(
        relevance, redundancy_direct(event.keys), event.previous, np.arange(4), _constants(model)
    )
    assert event.held[eviction.slot] == event.dropped
    if precision == "exact":
        np.testing.assert_allclose(eviction.relevance, [event.means_after[f] for f in event.held], atol=2e-5)


def _constants(model: str) -> ScoreConstants:
    return {"r50_aotl": ScoreConstants(4.0, 10.0, 0.4), "r50_deaotl": ScoreConstants(2.0, 7.0, 0.25)}[model]


def test_golden_redundancy_and_choice(cuda: CudaKernels, event: Event, constants: ScoreConstants) -> None:
    rows = np.random.default_rng(event.number).normal(size=(4, event.keys.shape[2])).astype(np.float32)
    gram = cuda.key_gram(1, event.keys.shape[2])
    for slot in (0, 3, 1, 2):
        gram.update(slot, event.keys - rows[:, None])
    redundancy = gram.redundancy(rows)
    np.testing.assert_allclose(redundancy, redundancy_direct(event.keys), atol=1e-4)
    relevance = event.foreground.astype(np.float64) @ event.mass
    inputs = (relevance / relevance.sum(), redundancy, event.previous, np.arange(4))
    eviction = cuda.choose_eviction(*inputs, constants)
    assert event.held[eviction.slot] == event.dropped
    np.testing.assert_allclose(eviction.scores, event.scores, atol=1e-3)
    np.testing.assert_allclose(eviction.scores, ORACLE.choose_eviction(*inputs, constants).scores, rtol=1e-12)


def test_choice_of_equals_is_the_oldest_but_one(cuda: CudaKernels) -> None:
    order = np.random.default_rng(2).permutation(32)
    same = np.full(32, 1 / 32)
    eviction = cuda.choose_eviction(same, same, np.full(32, np.nan), order, ScoreConstants(4.0, 10.0, 0.4))
    assert eviction.slot == order[1]


def test_golden_foreground(cuda: CudaKernels, event: Event) -> None:
    foreground = cuda.foreground(event.logits, np.ones(11, dtype=np.bool_))
    np.testing.assert_allclose(foreground, event.foreground, atol=1e-5)


@pytest.mark.parametrize("groups", [1, 3])
@pytest.mark.parametrize(
    "sizes", [((12, 21), (45, 80)), ((12, 30), (5, 3)), ((1, 1), (4, 9)), ((9, 9), (1, 1))]
)
@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_labels_are_the_oracles(
    cuda: CudaKernels, groups: int, sizes: tuple[tuple[int, int], tuple[int, int]], dtype: type
) -> None:
    logits, active = random_logits(groups, *sizes[0])
    logits = logits.astype(dtype)
    maps = cuda.label_from_logits(logits, active, sizes[1], (33, 49))
    expected = ORACLE.label_from_logits(logits, active, sizes[1], (33, 49))
    assert (maps.source != expected.source).mean() < 1e-3, "only ties may fall another way"
    assert (maps.network != expected.network).mean() < 1e-2


@pytest.mark.parametrize("network_hw", [(33, 49), (81, 97), (50, 77)])
def test_frame_is_opencvs(cuda: CudaKernels, network_hw: tuple[int, int]) -> None:
    frame = np.random.default_rng(5).integers(0, 256, (50, 77, 3), dtype=np.uint8)
    expected = ORACLE.prepare_frame(frame, network_hw).astype(np.int16)
    difference = np.abs(cuda.prepare_frame(frame, network_hw) - expected)
    assert difference.max() <= 1, "OpenCV's vector code rounds its last step in floating point"
    assert difference.mean() < 0.06


def test_bad_tensors_are_refused(cuda: CudaKernels) -> None:
    for name in ("query", "keys", "rows"):
        case = random_scoring(2, 20, 1, 32)
        getattr(case, name).flat[-1] = np.nan
        with pytest.raises(KernelError, match="not a number"):
            cuda.frame_masses(case.query, case.keys, case.rows, heads=1)
    case = random_scoring(2, 20, 1, 40)
    with pytest.raises(KernelError, match="32 or 128"):
        cuda.frame_masses(case.query, case.keys, case.rows, heads=1)

    class Misaligned:
        address, shape, dtype = 0x1004, (20, 32), np.dtype(np.float32)

    case = random_scoring(2, 20, 1, 32)
    with pytest.raises(KernelError, match="aligned to 16"):
        cuda.frame_masses(Misaligned(), case.keys, case.rows, heads=1)  # type: ignore[arg-type]


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


def test_sanitizers_find_nothing() -> None:
    ran = run_sanitized(host_device.KERNELS)
    assert ran.returncode == 0, ran.stderr[-3000:]
    assert "agrees" in ran.stdout


@pytest.mark.parametrize(
    ("file", "guard", "planted", "said"),
    [
        ("masses.cu", "at < p.tokens ?", "at <= p.tokens ?", "heap-buffer-overflow"),
        ("masses.cu", "parts[thread + half]", "parts[thread + 2 * half]", "out of bounds for type"),
    ],
)
def test_a_planted_fault_is_caught(tmp_path: Path, file: str, guard: str, planted: str, said: str) -> None:
    """The test of the test: reads one past the keys, or past shared memory, in a copy of the sources."""
    copy = tmp_path / "src"
    shutil.copytree(host_device.KERNELS, copy)
    text = (copy / file).read_text()
    assert text.count(guard) == 1
    (copy / file).write_text(text.replace(guard, planted))
    ran = run_sanitized(copy)
    assert ran.returncode != 0
    assert said in ran.stderr


def test_a_missing_barrier_is_noticed(tmp_path: Path) -> None:
    """The test of the emulation: without that barrier, threads multiply tiles not yet filled."""
    copy = tmp_path / "src"
    shutil.copytree(host_device.KERNELS, copy)
    text = (copy / "masses.cu").read_text()
    guarded = "            __syncthreads();\n            multiply<"
    assert text.count(guarded) == 1
    (copy / "masses.cu").write_text(text.replace(guarded, "            multiply<"))
    case = random_scoring(2, 70, 1, 32)
    kernels = CudaKernels(host_device.HostDevice(host_device.build(copy)))
    masses = kernels.frame_masses(case.query, case.keys, case.rows, heads=1)
    expected = ORACLE.frame_masses(case.query, case.keys, case.rows, heads=1)
    assert not np.allclose(masses, expected, atol=1e-2)
