"""The sizes and tensors that the kernels are measured with."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

TOKENS, SLOTS = 943, 9  # 353 x 641
GRID = (23, 41)
FOREGROUND_SHARE = 0.15

Single = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Heads:
    """How long-term attention splits its channels."""

    network: str
    heads: int
    head_channels: int
    value_channels: int  # of all heads

    @property
    def channels(self) -> int:
        """D."""
        return self.heads * self.head_channels

    @property
    def products(self) -> float:
        """FLOPs of all q . k."""
        return 2.0 * TOKENS * TOKENS * SLOTS * self.channels

    @property
    def exponentials(self) -> float:
        """How many exponentials the softmax takes."""
        return float(TOKENS * TOKENS * SLOTS * self.heads)

    @property
    def value_products(self) -> float:
        """FLOPs of all p . v."""
        return 2.0 * TOKENS * TOKENS * SLOTS * self.value_channels

    def bytes_once(self, width: int) -> float:
        """Bytes of q, keys and masses, each moved once."""
        return width * TOKENS * self.channels * (1 + SLOTS) + 4.0 * TOKENS * SLOTS


HEADS = (Heads("AOT", 8, 32, 256), Heads("DeAOT", 1, 128, 1024))


@dataclass(frozen=True)
class Tensors:
    """The inputs of one scoring, and of one attention."""

    query: Single
    keys: Single
    values: Single
    rows: Single
    foreground: Single


def draw_tensors(heads: Heads) -> Tensors:
    """Normal tensors; 15% of the tokens carry foreground."""
    draw = np.random.default_rng(0)
    shape = (TOKENS, heads.channels)
    foreground = np.where(draw.random(TOKENS) < FOREGROUND_SHARE, draw.random(TOKENS), 0.0)
    return Tensors(
        draw.normal(size=shape).astype(np.float32),
        draw.normal(size=(SLOTS, *shape)).astype(np.float32),
        draw.normal(size=(SLOTS, TOKENS, heads.value_channels)).astype(np.float32),
        np.zeros((SLOTS, heads.channels), dtype=np.float32),
        foreground.astype(np.float32),
    )
