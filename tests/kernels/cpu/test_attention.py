"""Attention over a bank, on every instruction set and precision here, against the oracle."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pytest

from ermu.errors import KernelError, OptionError
from ermu.kernels.cpu.attention import CpuAttention
from ermu.kernels.cpu.library import native
from ermu.kernels.numpy.attention import NumpyAttention
from tests.kernels.cpu.compiled import ISAS, needs_compiler

pytestmark = needs_compiler

Single = npt.NDArray[np.float32]
ORACLE = NumpyAttention()
KINDS = [(isa, precision) for isa in ISAS for precision in native().precisions(isa)]
OUT_ERROR = {"fp32": 1e-5, "bf16": 2e-2, "int8": 5e-2}  # of the greatest output
MASS_ERROR = {"fp32": 1e-5, "bf16": 2e-2, "int8": 5e-2}
SHAPES = [  # tokens, slots, heads, key width, value width
    (131, 3, 8, 256, 256),
    (65, 2, 1, 128, 1024),
    (97, 4, 4, 128, 128),
    (300, 2, 2, 14, 40),
    (17, 1, 1, 5, 9),
    (1, 9, 1, 1, 1),
    (259, 1, 2, 64, 24),
]


@dataclass(frozen=True)
class Bank:
    """What is written into a cache, and one query of it."""

    heads: int
    keys: Single  # (T, N, D)
    values: Single  # (T, N, Cv)
    rows: Single
    query: Single


@pytest.fixture(params=KINDS, ids="-".join)
def kind(request: pytest.FixtureRequest) -> tuple[CpuAttention, str]:
    isa, precision = request.param
    return CpuAttention(threads=2, isa=isa), precision


def random_bank(tokens: int, slots: int, heads: int, key_width: int, value_width: int) -> Bank:
    """Keys and values are correlated within a slot, as a network's are."""
    draw = np.random.default_rng([tokens, slots, heads, key_width, value_width])

    def normal(*shape: int) -> Single:
        return draw.normal(size=shape).astype(np.float32)

    keys = normal(slots, tokens, key_width) + normal(slots, 1, key_width)
    values = normal(slots, tokens, value_width) + normal(slots, 1, value_width)
    return Bank(heads, keys, values, normal(slots, key_width), normal(tokens, key_width))


def answers(
    attention: CpuAttention | NumpyAttention, bank: Bank, precision: str = "fp32"
) -> tuple[Single, Single]:
    """Outputs (N, Cv) and masses (N, T)."""
    slots, tokens, key_width = bank.keys.shape
    value_width = bank.values.shape[2]
    cache = attention.cache(slots, tokens, bank.heads, key_width, value_width, precision=precision)
    for slot in range(slots):
        cache.write(slot, bank.keys[slot], bank.values[slot])
    out, masses = np.empty((tokens, value_width), np.float32), np.empty((tokens, slots), np.float32)
    cache.read(bank.query, bank.rows, out, masses)
    return out, masses


def assert_follows_oracle(kind: tuple[CpuAttention, str], bank: Bank) -> None:
    attention, precision = kind
    out, masses = answers(attention, bank, precision)
    expected, expected_masses = answers(ORACLE, bank)
    error = np.abs(out - expected).max()
    assert error <= OUT_ERROR[precision] * np.abs(expected).max()
    np.testing.assert_allclose(masses, expected_masses, rtol=0, atol=MASS_ERROR[precision])
    np.testing.assert_allclose(masses.sum(axis=1), 1.0, rtol=1e-5)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_cache_is_the_oracles(kind: tuple[CpuAttention, str], shape: tuple[int, ...]) -> None:
    assert_follows_oracle(kind, random_bank(*shape))


def test_one_slot_dominates(kind: tuple[CpuAttention, str]) -> None:
    bank = random_bank(101, 4, 2, 64, 64)
    bank.query[:] = bank.query[0]
    bank.keys[2] = 3 * bank.query[0]
    assert_follows_oracle(kind, bank)


def test_huge_logits(kind: tuple[CpuAttention, str]) -> None:
    """Whole numbers, whose products are exact in fp32: only the softmax is tried. Narrow precisions round."""
    draw = np.random.default_rng(7)
    bank = random_bank(83, 6, 2, 64, 32)
    bank.query[:] = draw.integers(-40, 41, bank.query.shape)
    bank.keys[:] = draw.integers(-40, 41, bank.keys.shape)
    bank.rows[:] = draw.integers(-9, 10, bank.rows.shape)
    if kind[1] != "fp32":
        out, masses = answers(kind[0], bank, kind[1])
        assert np.isfinite(out).all()
        np.testing.assert_allclose(masses.sum(axis=1), 1.0, rtol=1e-5)
        return
    assert_follows_oracle(kind, bank)


def test_logits_that_climb(kind: tuple[CpuAttention, str]) -> None:
    """Every tile passes the peak of the one before it by more than the slack."""
    bank = random_bank(515, 3, 1, 32, 48)
    height = np.linspace(0, 3000, 3 * 515, dtype=np.float32).reshape(3, 515, 1)
    bank.query[:] = 1.0
    bank.keys[:] = np.round(height) / 32
    bank.rows[:] = 0.0
    if kind[1] == "fp32":
        assert_follows_oracle(kind, bank)
    else:
        out, masses = answers(kind[0], bank, kind[1])
        assert np.isfinite(out).all()
        np.testing.assert_allclose(masses[:, 2], 1.0, rtol=1e-5)


def test_slots_are_overwritten_and_left_out(kind: tuple[CpuAttention, str]) -> None:
    attention, precision = kind
    bank, other = random_bank(70, 3, 2, 32, 32), random_bank(71, 3, 2, 32, 32)
    cache = attention.cache(1, 70, 2, 32, 32, precision=precision)
    for slot in (0, 1, 2):
        cache.write(slot, other.keys[slot, :70], other.values[slot, :70])
    for slot in (1, 0):
        cache.write(slot, bank.keys[slot], bank.values[slot])
    out = np.empty((70, 32), np.float32)
    cache.read(bank.query, bank.rows[:2], out)
    two = Bank(2, bank.keys[:2], bank.values[:2], bank.rows[:2], bank.query)
    np.testing.assert_array_equal(out, answers(attention, two, precision)[0])


def test_slots_that_two_caches_share_are_each_their_own_once_written(kind: tuple[CpuAttention, str]) -> None:
    assert_shared_slots_are_each_their_own(*kind)


def test_slots_that_two_of_the_oracles_caches_share_are_each_their_own_once_written() -> None:
    assert_shared_slots_are_each_their_own(ORACLE, "fp32")


def assert_shared_slots_are_each_their_own(attention: CpuAttention | NumpyAttention, precision: str) -> None:
    bank, other = random_bank(70, 4, 2, 32, 48), random_bank(70, 3, 2, 32, 48)
    cache = attention.cache(4, 70, 2, 32, 48, precision=precision)
    for slot in range(4):
        cache.write(slot, bank.keys[slot], bank.values[slot])
    shared = cache.sharing([3, 1])
    shared.write(2, other.keys[2], other.values[2])
    shared.write(0, other.keys[0], other.values[0])
    cache.write(1, other.keys[1], other.values[1])
    cache.write(3, bank.keys[0], bank.values[0])
    for held, keys, values in (
        (cache, [bank.keys[0], other.keys[1], bank.keys[2], bank.keys[0]],
         [bank.values[0], other.values[1], bank.values[2], bank.values[0]]),
        (shared, [other.keys[0], bank.keys[1], other.keys[2]],
         [other.values[0], bank.values[1], other.values[2]]),
    ):  # fmt: skip
        rows, out = bank.rows[: len(keys)], np.empty((70, 48), np.float32)
        held.read(bank.query, rows, out)
        afresh = Bank(2, np.stack(keys), np.stack(values), rows, bank.query)
        np.testing.assert_array_equal(out, answers(attention, afresh, precision)[0])


def test_bad_arrays_are_refused(kind: tuple[CpuAttention, str]) -> None:
    attention, precision = kind
    bank = random_bank(40, 2, 2, 32, 32)
    cache = attention.cache(2, 40, 2, 32, 32, precision=precision)
    with pytest.raises(KernelError, match="Slot 1"):
        cache.write(1, bank.keys[1], bank.values[1])
    for name in ("keys", "values", "query", "rows"):
        broken = random_bank(40, 2, 2, 32, 32)
        getattr(broken, name).flat[-1] = np.nan
        with pytest.raises(KernelError, match="not a number"):
            answers(attention, broken, precision)
    cache.write(0, bank.keys[0], bank.values[0])
    out = np.empty((40, 32), np.float32)
    with pytest.raises(KernelError, match="rows for 2 slots"):
        cache.read(bank.query, bank.rows, out)
    with pytest.raises(KernelError, match="in place"):
        cache.read(bank.query, bank.rows[:1], np.empty((32, 40), np.float32).T)
    with pytest.raises(KernelError, match="float64"):
        cache.read(bank.query.astype(np.float64), bank.rows[:1], out)


def test_unknown_options_are_refused() -> None:
    with pytest.raises(OptionError, match="sse9"):
        CpuAttention(isa="sse9")
    with pytest.raises(OptionError, match="fp4"):
        CpuAttention().cache(1, 4, 1, 4, 4, precision="fp4")
    with pytest.raises(KernelError, match="split over 3"):
        CpuAttention().cache(1, 4, 3, 4, 4)


def test_a_slot_taken_apart_and_packed_again_is_the_same(kind: tuple[CpuAttention, str]) -> None:
    """Answers agree to the bit, and what was taken apart is near what was written."""
    attention, precision = kind
    for shape in SHAPES:
        bank = random_bank(*shape)
        slots, tokens, key_width = bank.keys.shape
        sizes = slots, tokens, bank.heads, key_width, bank.values.shape[2]
        first, again = (attention.cache(*sizes, precision=precision) for _ in range(2))
        for slot in range(slots):
            first.write(slot, bank.keys[slot], bank.values[slot])
            codes = first.codes(slot)
            again.put(codes)
            for found, given in zip(codes.numbers, (bank.keys[slot], bank.values[slot]), strict=True):
                reach = np.abs(given - given.mean(axis=0)).max()
                bound = {"fp32": 0.0, "bf16": 2.0**-8, "int8": 0.51 / 127}[precision] * reach + 1e-6
                assert np.abs(found - given).max() <= (0.0 if precision == "fp32" else bound)
        read = []
        for cache in (first, again):
            out = np.empty((tokens, bank.values.shape[2]), np.float32)
            masses = np.empty((tokens, slots), np.float32)
            cache.read(bank.query, bank.rows, out, masses)
            read.append((out, masses))
        assert all(np.array_equal(left, right) for left, right in zip(*read, strict=True))


def test_a_slot_crosses_from_one_instruction_set_to_another() -> None:
    """Codes are the same numbers wherever they were packed."""
    bank = random_bank(131, 1, 4, 64, 48)
    for precision in ("fp32", "int8"):
        found = []
        for isa in ISAS:
            cache = CpuAttention(isa=isa).cache(1, 131, 4, 64, 48, precision=precision)
            cache.write(0, bank.keys[0], bank.values[0])
            found.append(cache.codes(0))
        for codes in found[1:]:
            np.testing.assert_allclose(codes.key, found[0].key, atol=1 if precision == "int8" else 0)
            np.testing.assert_allclose(codes.key_mean, found[0].key_mean, atol=1e-6)
    with pytest.raises(KernelError, match="key has shape"):
        CpuAttention().cache(1, 130, 4, 64, 48).put(found[0])
