"""Scoring in C++, on every instruction set of this processor, against the oracle and golden evictions."""

from __future__ import annotations

import numpy as np
import pytest

from ermu.errors import KernelError, OptionError
from ermu.kernels.cpu.scoring import CpuScoring
from ermu.kernels.loading import numpy_kernels
from ermu.kernels.numpy.key_gram import redundancy_direct
from tests.kernels.calls import Caller
from tests.kernels.cpu.compiled import ISAS, compiled, needs_compiler
from tests.kernels.kernel_cases import (
    ADVERSARIAL,
    HEADS,
    Event,
    Scoring,
    choose,
    random_logits,
    random_scoring,
)

pytestmark = needs_compiler

ORACLE = Caller(numpy_kernels())
SHAPES = [(1, 1, 1, 32), (9, 131, 8, 32), (32, 17, 2, 32), (4, 65, 1, 128), (3, 50, 3, 20), (2, 997, 1, 7)]


@pytest.fixture(params=ISAS)
def cpu(request: pytest.FixtureRequest) -> Caller:
    return Caller(compiled(request.param))


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_masses_are_the_oracles(cpu: Caller, shape: tuple[int, int, int, int]) -> None:
    case = random_scoring(*shape)
    np.testing.assert_allclose(cpu.frame_masses(case), ORACLE.frame_masses(case), rtol=1e-5)


@pytest.mark.parametrize("shape", SHAPES[:4], ids=str)
def test_half_masses_are_the_oracles(cpu: Caller, shape: tuple[int, int, int, int]) -> None:
    case, single = random_scoring(*shape, dtype=np.float16), random_scoring(*shape)
    masses = cpu.frame_masses(case)
    np.testing.assert_allclose(masses, ORACLE.frame_masses(case), rtol=1e-5)
    np.testing.assert_allclose(masses, ORACLE.frame_masses(single), rtol=0, atol=2e-3)


@pytest.mark.parametrize("name", ADVERSARIAL)
def test_adversarial_masses(cpu: Caller, name: str) -> None:
    case = ADVERSARIAL[name]()
    np.testing.assert_allclose(cpu.frame_masses(case), ORACLE.frame_masses(case), rtol=1e-5, atol=1e-12)


def test_golden_masses(cpu: Caller, event: Event) -> None:
    """The queries are this project's, within 2e-5 of the published network's in the masses they give."""
    rows = np.zeros((len(event.keys), event.keys.shape[2]), dtype=np.float32)
    masses = cpu.frame_masses(Scoring(event.query, event.keys, rows, HEADS[event.model]))
    np.testing.assert_allclose(masses, event.mass, atol=4e-5)


@pytest.mark.parametrize("precision", ["exact", "int8"])
@pytest.mark.parametrize("isa", ISAS)
def test_golden_evictions(event: Event, isa: str, precision: str) -> None:
    cpu = Caller(compiled(isa, precision=precision))
    rows = np.random.default_rng(0).normal(size=(len(event.keys), event.keys.shape[2])).astype(np.float32)
    plain = event.keys - rows[:, None]
    relevance = cpu.relevance(Scoring(event.query, plain, rows, HEADS[event.model]), event.foreground)
    gram = cpu.kernels.scoring.key_gram(4, plain.shape[2])
    for slot in range(len(plain)):
        cpu.update(gram, slot, plain)
    choice = choose(event, relevance, cpu.redundancy(gram, rows))
    assert event.held[choice.slot] == event.dropped
    if precision == "exact":
        expected = [event.means_after[frame] for frame in event.held]
        np.testing.assert_allclose(choice.relevance, expected, atol=2e-5)


@pytest.mark.parametrize("isa", ISAS)
def test_int8_follows_its_definition(isa: str) -> None:
    """Where nothing is clipped and codes are exact, the quantised masses are the exact ones."""
    draw = np.random.default_rng(3)
    query = (0.04 * np.sqrt(32) * draw.integers(-60, 61, (19, 64))).astype(np.float32)
    half = draw.integers(-60, 61, (2, 19, 64))
    keys = (0.04 * np.concatenate([half, -half])).astype(np.float32)
    case = Scoring(query, keys, np.zeros((4, 64), dtype=np.float32), 2)
    masses = Caller(compiled(isa, precision="int8")).frame_masses(case)
    np.testing.assert_allclose(masses, ORACLE.frame_masses(case), rtol=2e-5)


def test_relevance_skips_the_background(cpu: Caller) -> None:
    case = random_scoring(5, 203, 2, 32)
    draw = np.random.default_rng(1)
    foreground = np.where(draw.random(203) < 0.15, draw.random(203), 1e-9).astype(np.float32)
    relevance = cpu.relevance(case, foreground)
    np.testing.assert_allclose(relevance, ORACLE.relevance(case, foreground), rtol=1e-5)
    weighed = cpu.weigh_masses(cpu.frame_masses(case), foreground)
    np.testing.assert_allclose(weighed, relevance, rtol=1e-5)
    nothing = np.zeros(203, dtype=np.float32)
    np.testing.assert_array_equal(cpu.relevance(case, nothing), np.full(5, 0.2))


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_key_gram_is_the_direct_redundancy(cpu: Caller, dtype: type) -> None:
    case = random_scoring(6, 77, 3, 25, dtype=dtype)
    keys = case.keys + case.keys[:1] * np.arange(6, dtype=dtype)[:, None, None]
    gram = cpu.kernels.scoring.key_gram(2, 75)
    for slot in (0, 1, 2, 3, 4, 5, 2, 0):
        cpu.update(gram, slot, keys)
    with_rows = keys.astype(np.float64) + case.rows.astype(np.float64)[:, None]
    np.testing.assert_array_equal(cpu.redundancy(gram, case.rows), redundancy_direct(with_rows))
    alone = cpu.kernels.scoring.key_gram(1, 75)
    cpu.update(alone, 0, keys[:1])
    np.testing.assert_array_equal(cpu.redundancy(alone, case.rows[:1]), [0.0])


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_foreground_is_the_oracles(cpu: Caller, event: Event, dtype: type) -> None:
    every = np.ones(11, dtype=np.bool_)
    logits = event.logits.astype(dtype)
    np.testing.assert_allclose(cpu.foreground(logits, every), ORACLE.foreground(logits, every), atol=1e-6)
    for sides, align_corners in (((9, 13), True), ((8, 12), False)):
        random, active = random_logits(1, *sides)
        arguments = random[0].astype(dtype), active[0]
        found, expected = (
            caller.foreground(*arguments, align_corners=align_corners) for caller in (cpu, ORACLE)
        )
        np.testing.assert_allclose(found, expected, atol=1e-6)


def test_not_a_number_is_refused(cpu: Caller) -> None:
    for name in ("query", "keys", "rows"):
        for value in (np.nan, np.inf):
            case = random_scoring(3, 40, 2, 32)
            getattr(case, name).flat[-1] = value
            with pytest.raises(KernelError, match="not a number"):
                cpu.frame_masses(case)
    keys = random_scoring(2, 9, 1, 32).keys
    keys[1, 3, 3] = np.nan
    with pytest.raises(KernelError, match="not a number"):
        cpu.update(cpu.kernels.scoring.key_gram(2, 32), 1, keys)
    logits, active = random_logits(1, 9, 13)
    logits[0, 0, 4, 4] = np.nan
    with pytest.raises(KernelError, match="not a number"):
        cpu.foreground(logits[0], active[0])
    with pytest.raises(KernelError, match="negative"):
        cpu.relevance(random_scoring(3, 40, 2, 32), -np.ones(40, dtype=np.float32))


def test_unknown_options_are_refused() -> None:
    with pytest.raises(OptionError, match="sse9"):
        CpuScoring(isa="sse9")
    with pytest.raises(OptionError, match="int4"):
        CpuScoring(precision="int4")  # type: ignore[arg-type]
