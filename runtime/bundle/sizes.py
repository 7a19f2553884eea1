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


def network_size(source_hw: tuple[int, int], long_edge: int = LONG_EDGE) -> tuple[int, int]:
    """Network input size for a frame (`docs/spec/network.md`, 'Input').

    The long edge is scaled down to `long_edge` if it exceeds it; then each side goes to the nearest 16k + 1.
    """
    scale = min(1.0, long_edge / max(source_hw))
    height, width = (max(_SMALLEST, round((side * scale - 1) / STRIDE) * STRIDE + 1) for side in source_hw)
    return height, width


def is_network_size(hw: tuple[int, int]) -> bool:
    """Whether both sides have the form 16k + 1 and are at least 33."""
    return all(side >= _SMALLEST and (side - 1) % STRIDE == 0 for side in hw)


def resolve(shape: Sequence[int | str], symbols: Mapping[str, int]) -> tuple[int, ...]:
    """A symbolic shape in numbers."""
    return tuple(symbols[side] if isinstance(side, str) else side for side in shape)
