"""The C++ kernels, on every instruction set of this processor, against the oracle and golden evictions."""

from __future__ import annotations

import shutil
import subprocess
import sys

import numpy as np
import pytest

from ermu.errors import KernelError
from ermu.kernels.base.scoring import ScoreConstants
from ermu.kernels.loading import load_kernels
from ermu.kernels.numpy.scoring import ReferenceKernels, redundancy_direct
from tests.kernels.kernel_cases import ADVERSARIAL, HEADS, Event, random_logits, random_scoring

if shutil.which("c++") is None and shutil.which("g++") is None:
    pytest.skip("there is no C++ compiler to build the CPU kernels with", allow_module_level=True)

from ermu.kernels.cpu.library import native
from ermu.kernels.cpu.scoring import CpuKernels

ORACLE = ReferenceKernels()
SHAPES = [(1, 1, 1, 32), (9, 131, 8, 32), (32, 17, 2, 32), (4, 65, 1, 128), (3, 50, 3, 20), (2, 997, 1, 7)]


@pytest.fixture(params=native().isas())
def cpu(request: pytest.FixtureRequest) -> CpuKernels:
    return CpuKernels(isa=request.param, threads=2)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_masses_are_the_oracles(cpu: CpuKernels, shape: tuple[int, int, int, int]) -> None:
    case = random_scoring(*shape)
    masses = cpu.frame_masses(case.query, case.keys, case.rows, heads=case.heads)
    expected = ORACLE.frame_masses(case.query, case.keys, case.rows, heads=case.heads)
    np.testing.assert_allclose(masses, expected, rtol=1e-5)


@pytest.mark.parametrize("shape", SHAPES[:4], ids=str)
def test_half_masses_are_the_oracles(cpu: CpuKernels, shape: tuple[int, int, int, int]) -> None:
    case, single = random_scoring(*shape, dtype=np.float16), random_scoring(*shape)
    masses = cpu.frame_masses(case.query, case.keys, case.rows, heads=case.heads)
    same_bits = ORACLE.frame_masses(case.query, case.keys, case.rows, heads=case.heads)
    np.testing.assert_allclose(masses, same_bits, rtol=1e-5)
    before_rounding = ORACLE.frame_masses(single.query, single.keys, single.rows, heads=case.heads)
    np.testing.assert_allclose(masses, before_rounding, rtol=0, atol=2e-3)


@pytest.mark.parametrize("name", ADVERSARIAL)
def test_adversarial_masses(cpu: CpuKernels, name: str) -> None:
    case = ADVERSARIAL[name]()
    masses = cpu.frame_masses(case.query, case.keys, case.rows, heads=case.heads)
    expected = ORACLE.frame_masses(case.query, case.keys, case.rows, heads=case.heads)
    np.testing.assert_allclose(masses, expected, rtol=1e-5, atol=1e-12)


def test_golden_masses(cpu: CpuKernels, event: Event) -> None:
    """The queries are this project's, within 2e-5 of the published network's in the masses they give."""
    rows = np.zeros((len(event.keys), event.keys.shape[2]), dtype=np.float32)
    masses = cpu.frame_masses(event.query, event.keys, rows, heads=HEADS[event.model])
    np.testing.assert_allclose(masses, event.mass, atol=4e-5)


@pytest.mark.parametrize("precision", ["exact", "int8"])
def test_golden_evictions(event: Event, constants: ScoreConstants, precision: str) -> None:
    for isa in native().isas():
        kernels = CpuKernels(isa=isa, precision=precision, threads=2)  # type: ignore[arg-type]
        rows = np.random.default_rng(0).normal(size=(len(event.keys), event.keys.shape[2])).astype(np.float32)
        plain = event.keys - rows[:, None]
        relevance = kernels.relevance(event.query, plain, rows, event.foreground, heads=HEADS[event.model])
        gram = kernels.key_gram(4, plain.shape[2])
        for slot in range(len(plain)):
            gram.update(slot, plain)
        order = np.arange(len(plain))
        eviction = kernels.choose_eviction(relevance, gram.redundancy(rows), event.previous, order, constants)
        assert event.held[eviction.slot] == event.dropped, isa
        if precision == "exact":
            expected = [event.means_after[frame] for frame in event.held]
            np.testing.assert_allclose(eviction.relevance, expected, atol=2e-5)


def test_int8_follows_its_definition() -> None:
    """Where nothing is clipped and codes are exact, the quantised masses are the exact ones."""
    draw = np.random.default_rng(3)
    query = (0.04 * np.sqrt(32) * draw.integers(-60, 61, (19, 64))).astype(np.float32)
    half = draw.integers(-60, 61, (2, 19, 64))
    keys = (0.04 * np.concatenate([half, -half])).astype(np.float32)
    rows = np.zeros((4, 64), dtype=np.float32)
    expected = ORACLE.frame_masses(query, keys, rows, heads=2)
    for isa in native().isas():
        masses = CpuKernels(isa=isa, precision="int8").frame_masses(query, keys, rows, heads=2)
        np.testing.assert_allclose(masses, expected, rtol=2e-5)


def test_relevance_skips_the_background(cpu: CpuKernels) -> None:
    case = random_scoring(5, 203, 2, 32)
    draw = np.random.default_rng(1)
    foreground = np.where(draw.random(203) < 0.15, draw.random(203), 1e-9).astype(np.float32)
    relevance = cpu.relevance(case.query, case.keys, case.rows, foreground, heads=2)
    expected = ORACLE.relevance(case.query, case.keys, case.rows, foreground, heads=2)
    np.testing.assert_allclose(relevance, expected, rtol=1e-5)
    nothing = cpu.relevance(case.query, case.keys, case.rows, np.zeros(203, dtype=np.float32), heads=2)
    np.testing.assert_array_equal(nothing, np.full(5, 0.2))


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_key_gram_is_the_direct_redundancy(cpu: CpuKernels, dtype: type) -> None:
    case = random_scoring(6, 77, 3, 25, dtype=dtype)
    keys = case.keys + case.keys[:1] * np.arange(6, dtype=dtype)[:, None, None]
    gram = cpu.key_gram(2, 75)
    for slot in (0, 1, 2, 3, 4, 5, 2, 0):
        gram.update(slot, keys)
    with_rows = keys.astype(np.float64) + case.rows.astype(np.float64)[:, None]
    np.testing.assert_array_equal(gram.redundancy(case.rows), redundancy_direct(with_rows))


@pytest.mark.parametrize("groups", [1, 3, 25])
@pytest.mark.parametrize(
    "sizes", [((45, 81), (180, 320)), ((12, 70), (5, 3)), ((1, 1), (4, 9)), ((9, 9), (1, 1))]
)
def test_labels_are_the_oracles(
    cpu: CpuKernels, groups: int, sizes: tuple[tuple[int, int], tuple[int, int]]
) -> None:
    logits, active = random_logits(groups, *sizes[0])
    maps = cpu.label_from_logits(logits, active, sizes[1], (33, 49))
    expected = ORACLE.label_from_logits(logits, active, sizes[1], (33, 49))
    assert (maps.source != expected.source).mean() < 1e-4, "only ties may fall another way"
    assert (maps.network != expected.network).mean() < 1e-3


def test_not_a_number_is_refused(cpu: CpuKernels) -> None:
    for name, value in (("query", np.nan), ("keys", np.nan), ("rows", np.inf), ("keys", -np.inf)):
        case = random_scoring(3, 40, 2, 32)
        getattr(case, name).flat[-1] = value
        with pytest.raises(KernelError, match="not a number"):
            cpu.frame_masses(case.query, case.keys, case.rows, heads=2)
    logits, active = random_logits(1, 5, 5)
    logits[0, 0, 2, 2] = np.nan
    with pytest.raises(KernelError, match="not a number"):
        cpu.label_from_logits(logits, active, (9, 9), (17, 17))


def test_unknown_options_are_refused() -> None:
    with pytest.raises(KernelError, match="sse9"):
        CpuKernels(isa="sse9")
    with pytest.raises(KernelError, match="no kernels named"):
        load_kernels(name="opencl")


def test_loading_prefers_the_library_and_falls_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ERMU_KERNELS", raising=False)
    assert load_kernels("cpu").name == "cpu"
    monkeypatch.setenv("ERMU_KERNELS", "numpy")
    assert load_kernels("cpu").name == "numpy"


def test_no_compiler_means_numpy(tmp_path: object) -> None:
    """In a fresh process whose library is hidden, whose cache is empty and which finds no compiler."""
    script = (
        "import sys; sys.modules['ermu.kernels.cpu._native'] = None\n"
        "from ermu.kernels.loading import load_kernels\n"
        "print(load_kernels().name)"
    )
    environment = {"PATH": "", "ERMU_CACHE": str(tmp_path), "PYTHONPATH": ":".join(sys.path)}
    ran = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True
    )
    assert ran.stdout.strip() == "numpy"
