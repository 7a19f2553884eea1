"""Scoring in CUDA against the oracle and golden evictions."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from ermu.devices.gpu import GpuDevice
from ermu.errors import KernelError, OptionError
from ermu.kernels.cuda.faults import FaultWord
from ermu.kernels.cuda.loading import cuda_kernels
from ermu.kernels.cuda.scoring import CudaScoring
from ermu.kernels.loading import numpy_kernels
from ermu.kernels.numpy.key_gram import redundancy_direct
from tests.kernels.calls import Caller
from tests.kernels.cpu.compiled import ISAS, compiled
from tests.kernels.kernel_cases import (
    ADVERSARIAL,
    HEADS,
    Event,
    Scoring,
    choose,
    load_event,
    random_logits,
    random_scoring,
)

ORACLE = Caller(numpy_kernels())
SHAPES = [(1, 1, 1, 32), (3, 70, 2, 32), (32, 5, 1, 32), (2, 65, 1, 128), (2, 65, 1, 256)]
LARGE = [(9, 943, 8, 32), (32, 131, 8, 32), (9, 943, 1, 128), (3, 8160, 8, 32)]


def quantised(device: GpuDevice) -> Caller:
    """The kernels with quantised scoring attention."""
    faults = FaultWord(device)
    scoring = CudaScoring(device, faults, precision="int8")
    kernels = dataclasses.replace(cuda_kernels(device), scoring=scoring, check_faults=faults.check)
    return Caller(kernels, device)


def assert_masses(cuda: Caller, case: Scoring) -> None:
    masses, expected = cuda.frame_masses(case), ORACLE.frame_masses(case)
    np.testing.assert_allclose(masses, expected, rtol=1e-5, atol=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_masses_are_the_oracles(cuda: Caller, shape: tuple[int, int, int, int], dtype: type) -> None:
    assert_masses(cuda, random_scoring(*shape, dtype=dtype))


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
@pytest.mark.parametrize("shape", LARGE, ids=str)
@pytest.mark.gpu
@pytest.mark.chip
def test_large_masses_are_the_oracles(cuda: Caller, shape: tuple[int, int, int, int], dtype: type) -> None:
    assert_masses(cuda, random_scoring(*shape, dtype=dtype))


@pytest.mark.parametrize("name", ADVERSARIAL)
def test_adversarial_masses(cuda: Caller, name: str) -> None:
    assert_masses(cuda, ADVERSARIAL[name]())


@pytest.mark.skipif(not ISAS, reason="there is no C++ compiler to build the CPU kernels with")
@pytest.mark.parametrize("dtype", [np.float32, np.float16])
@pytest.mark.parametrize("shape", [(2, 70, 1, 32), (2, 20, 1, 128), (2, 20, 1, 256), (3, 40, 2, 32)], ids=str)
def test_int8_is_the_cpus(device: GpuDevice, shape: tuple[int, int, int, int], dtype: type) -> None:
    """Two implementations of the same quantisation; cpu/test_scoring.py holds the other to its definition."""
    case = random_scoring(*shape, dtype=dtype)
    other = Caller(compiled(ISAS[0], precision="int8"))
    np.testing.assert_allclose(quantised(device).frame_masses(case), other.frame_masses(case), atol=2e-3)


def test_relevance_is_the_oracles(cuda: Caller) -> None:
    case = random_scoring(3, 70, 2, 32)
    foreground = np.where(np.arange(70) % 7 == 0, 0.9, 1e-9).astype(np.float32)
    relevance = cuda.relevance(case, foreground)
    np.testing.assert_allclose(relevance, ORACLE.relevance(case, foreground), rtol=1e-5)
    weighed = cuda.weigh_masses(cuda.frame_masses(case), foreground)
    np.testing.assert_allclose(weighed, relevance, rtol=1e-5)
    nothing = np.zeros(70, dtype=np.float32)
    np.testing.assert_allclose(cuda.relevance(case, nothing), np.full(3, 1 / 3))
    np.testing.assert_allclose(cuda.weigh_masses(np.ones((70, 3), np.float32), nothing), np.full(3, 1 / 3))


@pytest.mark.parametrize("tokens", [1, 255, 256, 257, 600])
def test_picked_queries_hold_the_foreground(cuda: Caller, tokens: int) -> None:
    """Probabilities of every size; what is left out changes the relevance by less than it holds."""
    draw = np.random.default_rng(tokens)
    case = random_scoring(2, tokens, 1, 32)
    foreground = (10.0 ** draw.uniform(-12, 0, tokens)).astype(np.float32)
    expected = ORACLE.weigh_masses(ORACLE.frame_masses(case), foreground)
    np.testing.assert_allclose(cuda.relevance(case, foreground), expected, rtol=2e-5)


@pytest.mark.parametrize("precision", ["exact", "int8"])
@pytest.mark.parametrize("model", HEADS)
def test_golden_eviction(cuda: Caller, device: GpuDevice, model: str, precision: str) -> None:
    scored, event = cuda if precision == "exact" else quantised(device), load_event(model, 0)
    rows = np.zeros((len(event.keys), event.keys.shape[2]), dtype=np.float32)
    relevance = scored.relevance(Scoring(event.query, event.keys, rows, HEADS[model]), event.foreground)
    choice = choose(event, relevance, redundancy_direct(event.keys))
    assert event.held[choice.slot] == event.dropped
    if precision == "exact":
        np.testing.assert_allclose(choice.relevance, [event.means_after[f] for f in event.held], atol=2e-5)


@pytest.mark.parametrize("precision", ["exact", "int8"])
@pytest.mark.gpu
@pytest.mark.chip
def test_every_golden_eviction(cuda: Caller, device: GpuDevice, event: Event, precision: str) -> None:
    scored = cuda if precision == "exact" else quantised(device)
    rows = np.random.default_rng(0).normal(size=(4, event.keys.shape[2])).astype(np.float32)
    plain = event.keys - rows[:, None]
    relevance = scored.relevance(Scoring(event.query, plain, rows, HEADS[event.model]), event.foreground)
    choice = choose(event, relevance, redundancy_direct(event.keys))
    assert event.held[choice.slot] == event.dropped


def test_golden_redundancy(cuda: Caller, event: Event) -> None:
    rows = np.random.default_rng(event.number).normal(size=(4, event.keys.shape[2])).astype(np.float32)
    gram = cuda.kernels.scoring.key_gram(1, event.keys.shape[2])
    for slot in (0, 3, 1, 2):
        cuda.update(gram, slot, event.keys - rows[:, None])
    redundancy = cuda.redundancy(gram, rows)
    np.testing.assert_allclose(redundancy, redundancy_direct(event.keys), atol=1e-4)
    relevance = event.foreground.astype(np.float64) @ event.mass
    choice = choose(event, relevance / relevance.sum(), redundancy)
    assert event.held[choice.slot] == event.dropped
    np.testing.assert_allclose(choice.scores, event.scores, atol=1e-3)


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_a_gram_that_grows(cuda: Caller, dtype: type) -> None:
    case = random_scoring(6, 77, 3, 25, dtype=dtype)
    keys = case.keys + case.keys[:1] * np.arange(6, dtype=dtype)[:, None, None]
    gram = cuda.kernels.scoring.key_gram(2, 75)
    for slot in range(6):
        cuda.update(gram, slot, keys[: slot + 1])
    cuda.update(gram, 2, keys)
    with_rows = keys.astype(np.float64) + case.rows.astype(np.float64)[:, None]
    np.testing.assert_array_equal(cuda.redundancy(gram, case.rows), redundancy_direct(with_rows))


def test_golden_foreground(cuda: Caller, event: Event) -> None:
    foreground = cuda.foreground(event.logits, np.ones(11, dtype=np.bool_))
    np.testing.assert_allclose(foreground, event.foreground, atol=1e-5)


@pytest.mark.parametrize(("sides", "align_corners"), [((9, 13), True), ((8, 12), False)])
def test_silenced_identities_are_no_foreground(
    cuda: Caller, sides: tuple[int, int], align_corners: bool
) -> None:
    logits, active = random_logits(2, *sides)
    for group in (0, 1, 0):
        half = logits[group].astype(np.float16)
        found, expected = (
            caller.foreground(half, active[group], align_corners=align_corners) for caller in (cuda, ORACLE)
        )
        np.testing.assert_allclose(found, expected, atol=1e-5)


def test_faults_are_reported_once(cuda: Caller) -> None:
    for name in ("query", "keys"):
        case = random_scoring(2, 20, 1, 32)
        getattr(case, name).flat[-1] = np.nan
        with pytest.raises(KernelError, match="query or keys holds a value that is not a number"):
            cuda.frame_masses(case)
        cuda.kernels.check_faults()
    case = random_scoring(2, 20, 1, 32)
    case.rows.flat[-1] = np.nan
    with pytest.raises(KernelError, match="rows"):
        cuda.frame_masses(case)
    with pytest.raises(KernelError, match="negative"):
        cuda.relevance(random_scoring(2, 20, 1, 32), -np.ones(20, dtype=np.float32))
    logits, active = random_logits(1, 9, 13)
    logits[0, 0, 4, 4] = np.inf
    with pytest.raises(KernelError, match="logits"):
        cuda.foreground(logits[0], active[0])
    keys = random_scoring(2, 9, 1, 32).keys
    keys[1, 3, 3] = np.nan
    with pytest.raises(KernelError, match="keys"):
        cuda.update(cuda.kernels.scoring.key_gram(2, 32), 1, keys)
    assert_masses(cuda, random_scoring(2, 20, 1, 32))


def test_int8_faults_are_reported(device: GpuDevice) -> None:
    case = random_scoring(2, 20, 1, 32)
    case.keys.flat[-1] = np.nan
    with pytest.raises(KernelError, match="not a number"):
        quantised(device).frame_masses(case)


def test_bad_tensors_are_refused(cuda: Caller) -> None:
    case = random_scoring(2, 20, 1, 40)
    with pytest.raises(KernelError, match="32, 128 or 256"):
        cuda.frame_masses(case)
    case = random_scoring(2, 20, 1, 32)
    query, keys, out = (cuda.held(a) for a in (case.query, case.keys, np.empty((20, 2), np.float32)))
    misaligned = dataclasses.replace(query, address=query.address + 4)
    with pytest.raises(KernelError, match="aligned to 16"):
        cuda.kernels.scoring.frame_masses(misaligned, keys, case.rows, out, heads=1)
    with pytest.raises(KernelError, match="on the device"):
        cuda.kernels.scoring.frame_masses(case.query, keys, case.rows, out, heads=1)
    with pytest.raises(OptionError, match="int4"):
        CudaScoring(cuda.device, None, precision="int4")  # type: ignore[arg-type]


def test_nothing_comes_back_and_nothing_is_allocated_again(cuda: Caller, device: GpuDevice) -> None:
    """A second scoring of the same shape downloads nothing and takes no memory; rows alone are uploaded."""
    case, foreground = random_scoring(3, 70, 2, 32), np.ones(70, dtype=np.float32)
    tensors = cuda.held(case.query), cuda.held(case.keys), case.rows, cuda.held(foreground)
    out = cuda.held(np.zeros(3))
    cuda.kernels.scoring.relevance(*tensors, out, heads=2)
    before = device.downloaded_bytes, device.uploaded_bytes, _memory(device)
    cuda.kernels.scoring.relevance(*tensors, out, heads=2)
    after = device.downloaded_bytes, device.uploaded_bytes - case.rows.nbytes, _memory(device)
    assert after == before
    np.testing.assert_allclose(device.download(out), ORACLE.relevance(case, foreground), rtol=1e-5)


def _memory(device: GpuDevice) -> int:
    return int(getattr(device, "allocations", 0) or getattr(device, "live_bytes", 0))
