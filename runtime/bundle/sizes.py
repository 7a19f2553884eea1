"""The size rule: how large a frame enters the network, and the grids that follow from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

LONG_EDGE = 1040  # 480 * 1.3 * 800 / 480, as published
STRIDE = 16
_SMALLEST = 2 * STRIDE + 1


@dataclass(frozen=True)
class Grids:
    """Network input H x W and what each symbol of the manifest stands for at that size."""

    height: int
    width: int

    @property
    def hw(self) -> tuple[int, int]:
        return self.height, self.width

    @property
    def tokens(self) -> tuple[int, int]:
        """Token grid (h, w) at stride 16."""
        return (self.height - 1) // STRIDE + 1, (self.width - 1) // STRIDE + 1

    def symbols(self) -> dict[str, int]:
        """Values of H, W, h, w, h8, w8, h4, w4."""
        h, w = self.tokens
        return {
            "H": self.height,
            "W": self.width,
            "h": h,
            "w": w,
            "h8": 2 * h - 1,
            "w8": 2 * w - 1,
            "h4": 4 * h - 3,
            "w4": 4 * w - 3,
        }


@dataclass(frozen=True)
class SizeLimits:
    """How large a frame may enter the network, as the published evaluator has it.

    Attributes:
        long_edge: A longer edge is scaled down to it,
        short_edge: after the shorter one to this, where not None;
        scale: then both are multiplied, and truncated to whole pixels.
    """

    long_edge: int = LONG_EDGE
    short_edge: int | None = None
    scale: float = 1.0

    def limited(self, source_hw: tuple[int, int]) -> tuple[int, int]:
        """A frame's size within the limits, before it goes to the network's grid."""
        height, width = map(float, source_hw)
        for limit, edge in ((self.short_edge, min), (self.long_edge, max)):
            if limit is not None and edge(height, width) > limit:
                shrunk = limit / edge(height, width)
                height, width = height * shrunk, width * shrunk
        return int(height * self.scale), int(width * self.scale)


def network_size(source_hw: tuple[int, int], limits: SizeLimits | None = None) -> tuple[int, int]:
    """Network input size for a frame (`docs/spec/network.md`, 'Input').

    The frame is brought within the limits; then each side goes to the nearest 16k + 1, halves to even.
    """
    within = (limits or SizeLimits()).limited(source_hw)
    height, width = (max(_SMALLEST, round((side - 1) / STRIDE) * STRIDE + 1) for side in within)
    return height, width


def is_network_size(hw: tuple[int, int]) -> bool:
    """Whether both sides have the form 16k + 1 and are at least 33."""
    return all(side >= _SMALLEST and (side - 1) % STRIDE == 0 for side in hw)


def resolve(shape: Sequence[int | str], symbols: Mapping[str, int]) -> tuple[int, ...]:
    """A symbolic shape in numbers."""
    return tuple(symbols[side] if isinstance(side, str) else side for side in shape)
