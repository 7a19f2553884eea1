"""The oracle of windowed attention, against its definition written out place by place."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pytest

from ermu.kernels.numpy.attention import NumpyAttention

Array = npt.NDArray[np.float32]
SIDE = 15


def _draw(hw: tuple[int, int], heads: int, d: int, dv: int) -> dict[str, Array]:
    draw, tokens = np.random.default_rng([*hw, heads, d, dv]), hw[0] * hw[1]
    shapes = {
        "query": (tokens, heads * d),
        "key": (tokens, heads * d),
        "value": (tokens, heads * dv),
        "bias": (heads, tokens, SIDE * SIDE),
        "relative": (heads, SIDE * SIDE, dv),
    }
    return {name: draw.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}


def _written_out(
    hw: tuple[int, int], query: Array, key: Array, value: Array, bias: Array, relative: Array
) -> npt.NDArray[np.float64]:
    """`docs/spec/zoo.md`, one place of one query of one head at a time, in plain floating-point numbers."""
    (h, w), heads = hw, bias.shape[0]
    d, dv = key.shape[1] // heads, value.shape[1] // heads
    out = np.zeros((h * w, heads * dv))
    for head in range(heads):
        of_key, of_value = slice(head * d, (head + 1) * d), slice(head * dv, (head + 1) * dv)
        for y in range(h):
            for x in range(w):
                n, exponentials, summed = y * w + x, 0.0, np.zeros(dv)
                for dy in range(-7, 8):
                    for dx in range(-7, 8):
                        if not (0 <= y + dy < h and 0 <= x + dx < w):
                            continue
                        there, i = (y + dy) * w + x + dx, (dy + 7) * SIDE + dx + 7
                        product = sum(
                            float(a) * float(b)
                            for a, b in zip(query[n, of_key], key[there, of_key], strict=True)
                        )
                        weight = math.exp(product / math.sqrt(d) + float(bias[head, n, i]))
                        exponentials += weight
                        summed += weight * (value[there, of_value].astype(np.float64) + relative[head, i])
                out[n, of_value] = summed / exponentials
    return out


@pytest.mark.parametrize(
    ("hw", "heads", "d", "dv"),
    [((9, 11), 2, 3, 4), ((2, 17), 1, 4, 2), ((17, 2), 3, 2, 1), ((1, 1), 2, 2, 2)],
    ids=str,
)
def test_window_is_its_definition(hw: tuple[int, int], heads: int, d: int, dv: int) -> None:
    arrays = _draw(hw, heads, d, dv)
    out = np.empty_like(arrays["value"])
    NumpyAttention().window(**arrays, hw=hw, out=out)
    np.testing.assert_allclose(out, _written_out(hw, **arrays), rtol=0, atol=1e-6)
    relative = arrays.pop("relative")
    NumpyAttention().window(**arrays, hw=hw, out=out)
    nothing = _written_out(hw, **arrays, relative=np.zeros_like(relative))
    np.testing.assert_allclose(out, nothing, rtol=0, atol=1e-6)


def test_a_place_is_counted_from_the_query() -> None:
    """One place decides: the key two rows down and three columns left, and the value of that place."""
    arrays = _draw((12, 12), 1, 2, 3)
    place = (2 + 7) * SIDE - 3 + 7
    arrays["bias"][..., place] = 200.0
    out = np.empty_like(arrays["value"])
    NumpyAttention().window(**arrays, hw=(12, 12), out=out)
    value = arrays["value"].reshape(12, 12, 3)
    expected = value[2:, :-3] + arrays["relative"][0, place]
    np.testing.assert_allclose(out.reshape(12, 12, 3)[:-2, 3:], expected, atol=1e-6)
