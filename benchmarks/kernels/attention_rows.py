"""Measures attention over the memory bank, and in a window, against ONNX Runtime and torch."""

from __future__ import annotations

import numpy as np

from ermu.benchmarks.kernels.peers import Run, dense_window, fused_attention, interleaved, torch_attention
from ermu.benchmarks.kernels.shapes import GRID, SLOTS, TOKENS, Heads, Single, Tensors, draw_tensors
from ermu.kernels.base.attention import WINDOW_KEYS, WINDOW_RADIUS
from ermu.kernels.cpu.attention import CpuAttention


def measure_readout(heads: Heads, threads: int, repeats: int) -> dict[str, float]:
    """Milliseconds of the peers' attention, of reading a full bank in each precision, of writing a slot."""
    tensors = draw_tensors(heads)
    attention = CpuAttention(threads=threads)
    reads: dict[str, Run] = {
        "onnxruntime MultiHeadAttention": fused_attention(
            heads, tensors.query, tensors.keys, tensors.values, threads
        ),
        "torch scaled_dot_product_attention": torch_attention(heads, tensors, threads),
    }
    writes: dict[str, Run] = {}
    for precision in attention.precisions:
        read, write = _cache(attention, heads, tensors, precision)
        reads[f"readout {precision}"] = read
        writes[f"write {precision}"] = write
    return interleaved(reads, repeats) | interleaved(writes, repeats)


def _cache(attention: CpuAttention, heads: Heads, tensors: Tensors, precision: str) -> tuple[Run, Run]:
    """Reading the whole bank with masses, and writing one slot of it."""
    cache = attention.cache(
        SLOTS, TOKENS, heads.heads, heads.channels, heads.value_channels, precision=precision
    )
    for slot in range(SLOTS):
        cache.write(slot, tensors.keys[slot], tensors.values[slot])
    out = np.zeros((TOKENS, heads.value_channels), np.float32)
    masses = np.zeros((TOKENS, SLOTS), np.float32)
    return (
        lambda: cache.read(tensors.query, tensors.rows, out, masses),
        lambda: cache.write(3, tensors.keys[3], tensors.values[3]),
    )


def measure_window(threads: int, repeats: int) -> dict[str, float]:
    """Milliseconds of DeAOT's window, of the dense attention with a band of biases that it replaces, and of
    the window of the zoo's AOT, whose heads have relative values."""
    draw = np.random.default_rng(0)

    def normal(*shape: int) -> Single:
        return draw.normal(size=shape).astype(np.float32)

    query, key, value, bias = (normal(TOKENS, width) for width in (128, 128, 1024, WINDOW_KEYS))
    attention, out = CpuAttention(threads=threads), np.zeros((TOKENS, 1024), np.float32)
    one_head = bias[None]
    asked, keys, values, of_heads = (normal(TOKENS, 256) for _ in range(4))
    biases, relative = normal(8, TOKENS, WINDOW_KEYS), normal(8, WINDOW_KEYS, 32)
    return interleaved(
        {
            "window": lambda: attention.window(query, key, value, one_head, GRID, out),
            "onnxruntime dense with a band": dense_window(query, key, value, _band(bias), threads),
            "window of 8 heads": lambda: attention.window(
                asked, keys, values, biases, GRID, of_heads, relative
            ),
        },
        repeats,
    )


def _band(bias: Single) -> Single:
    """The biases (N, 225) as (N, N), -1e4 outside the windows."""
    ys, xs = np.divmod(np.arange(TOKENS), GRID[1])
    dy, dx = (at[None] - at[:, None] + WINDOW_RADIUS for at in (ys, xs))
    side = 2 * WINDOW_RADIUS + 1
    within = (dy >= 0) & (dy < side) & (dx >= 0) & (dx < side)
    index = np.where(within, dy * side + dx, 0)
    return np.where(within, np.take_along_axis(bias, index, axis=1), np.float32(-1e4)).astype(np.float32)
