"""Attention in a window, on every instruction set here, against the oracle."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pytest

from ermu.errors import KernelError
from ermu.kernels.cpu.attention import CpuAttention
from ermu.kernels.numpy.attention import NumpyAttention
from tests.kernels.cpu.compiled import ISAS, needs_compiler

pytestmark = needs_compiler

Single = npt.NDArray[np.float32]
NAMES = ("query", "key", "value", "bias", "relative")
SHAPES = [  # grid, heads, channels of a head's keys and values
    ((23, 41), 1, 32, 64),
    ((40, 3), 1, 8, 33),
    ((3, 40), 1, 8, 20),
    ((1, 1), 1, 3, 5),
    ((17, 29), 1, 20, 100),
    ((11, 18), 8, 32, 32),
    ((16, 13), 2, 5, 7),
    ((2, 31), 3, 16, 260),
]


@dataclass(frozen=True)
class Window:
    """Arguments of one windowed attention."""

    hw: tuple[int, int]
    query: Single
    key: Single
    value: Single
    bias: Single
    relative: Single | None

    def attend(self, attention: CpuAttention | NumpyAttention) -> Single:
        out = np.full_like(self.value, np.nan)
        attention.window(self.query, self.key, self.value, self.bias, self.hw, out, self.relative)
        return out


@pytest.fixture(params=ISAS)
def attention(request: pytest.FixtureRequest) -> CpuAttention:
    return CpuAttention(threads=2, isa=request.param)


def random_window(
    hw: tuple[int, int], heads: int, key_head: int, value_head: int, *, relative: bool = True
) -> Window:
    draw, tokens = np.random.default_rng([*hw, heads, key_head, value_head]), hw[0] * hw[1]

    def normal(*shape: int) -> Single:
        return draw.normal(size=shape).astype(np.float32)

    return Window(
        hw,
        normal(tokens, heads * key_head),
        normal(tokens, heads * key_head),
        normal(tokens, heads * value_head),
        normal(heads, tokens, 225),
        normal(heads, 225, value_head) if relative else None,
    )


@pytest.mark.parametrize("relative", [False, True], ids=["plain", "relative"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_window_is_the_oracles(
    attention: CpuAttention, shape: tuple[tuple[int, int], int, int, int], relative: bool
) -> None:
    window = random_window(*shape, relative=relative)
    expected = window.attend(NumpyAttention())
    np.testing.assert_allclose(window.attend(attention), expected, rtol=0, atol=1e-5 * np.abs(expected).max())


@pytest.mark.parametrize("threads", [1, 3, 64])
def test_threads_change_nothing(attention: CpuAttention, threads: int) -> None:
    window = random_window((6, 14), 4, 8, 8)
    alone = CpuAttention(threads=threads, isa=attention.isa)
    np.testing.assert_array_equal(window.attend(alone), window.attend(attention))


def test_window_takes_nothing_from_outside(attention: CpuAttention) -> None:
    """A key beyond the window counts for nothing, though its logit is the greatest and its value huge."""
    window = random_window((1, 40), 1, 8, 16)
    window.query[:], window.bias[:] = 1.0, -300.0
    window.key[30], window.value[30] = 50.0, 1e30
    out = window.attend(attention)
    assert np.abs(out[:23]).max() < 100 and np.abs(out[38:]).max() < 100
    np.testing.assert_allclose(out[23:38], 1e30, rtol=1e-5)


def test_places_outside_the_grid_add_nothing(attention: CpuAttention) -> None:
    """The only token has one place on the grid; all others carry a bias and a value that would show."""
    window = random_window((1, 1), 2, 4, 6)
    assert window.relative is not None
    window.bias[:], window.relative[:] = 300.0, 1e30
    window.bias[..., 112], window.relative[:, 112] = -300.0, 0.5
    np.testing.assert_allclose(window.attend(attention), window.value + 0.5, rtol=1e-6)


@pytest.mark.parametrize("broken", NAMES)
def test_window_refuses_what_is_not_finite(attention: CpuAttention, broken: str) -> None:
    window = random_window((4, 5), 2, 8, 16)
    getattr(window, broken)[-1, -1] = np.inf
    with pytest.raises(KernelError, match="not a number"):
        window.attend(attention)


def test_window_refuses_shapes_that_do_not_fit(attention: CpuAttention) -> None:
    window = random_window((4, 5), 2, 8, 16)
    args = [window.query, window.key, window.value, window.bias, (4, 5), np.empty_like(window.value)]
    for place, wrong, said in (
        (4, (5, 5), "shape"),
        (3, window.bias.reshape(20, -1), r"\(heads, N, 225\)"),
        (3, np.zeros((3, 20, 225), np.float32), "split over 3"),
        (5, np.empty((32, 20), np.float32).T, "in place"),
    ):
        with pytest.raises(KernelError, match=said):
            attention.window(*args[:place], wrong, *args[place + 1 :], window.relative)
    with pytest.raises(KernelError, match="relative has shape"):
        attention.window(*args, np.zeros((1, 225, 16), np.float32))
