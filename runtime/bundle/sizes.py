"""The size rule: how large a frame enters the network, and the grids that follow from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ermu.errors import OptionError

LONG_EDGE = 1040  # 480 * 1.3 * 800 / 480, as published
STRIDE = 16
_FEWEST_TOKENS = 3  # a side


@dataclass(frozen=True)
class SizeLimits:
    """How large a frame may enter the network, as the published evaluator has it.

    Attributes:
        long_edge: A longer edge is scaled down to it,
        short_edge: after the shorter one to this, where not None;
        scale: then both are multiplied, and truncated to whole pixels.

    Raises:
        OptionError: the long edge is shorter than a pixel.
    """

    long_edge: int = LONG_EDGE
    short_edge: int | None = None
    scale: float = 1.0

    def __post_init__(self) -> None:
        if self.long_edge < 1:
            raise OptionError(f"long_edge is {self.long_edge}.", expected="at least 1")

    def limited(self, source_hw: tuple[int, int]) -> tuple[int, int]:
        """A frame's size within the limits, before it goes to the network's grid."""
        height, width = map(float, source_hw)
        for limit, edge in ((self.short_edge, min), (self.long_edge, max)):
            if limit is not None and edge(height, width) > limit:
                shrunk = limit / edge(height, width)
                height, width = height * shrunk, width * shrunk
        return int(height * self.scale), int(width * self.scale)


@dataclass(frozen=True)
class GridRule:
    """How the grids of a network lie on its input (`docs/spec/network.md`, 'Input').

    Attributes:
        align_corners: Whether grids have their corners on the image's, which makes sides of 16k + 1, or their
            borders, which makes 16k. Resizing inside the network follows it.
    """

    align_corners: bool

    @property
    def form(self) -> str:
        """The sides it makes, in words."""
        return "16k + 1" if self.align_corners else "16k"

    @property
    def example(self) -> str:
        """The size that 640x360 video enters with."""
        return "x".join(map(str, self.network_size((360, 640))))

    @property
    def smallest(self) -> int:
        """The shortest side that a network takes."""
        return self.side(_FEWEST_TOKENS)

    @property
    def patch(self) -> int:
        """Side of the pixels that a token stands for, neighbours' corners included."""
        return STRIDE + self.align_corners

    def line(self, stride: int = 1) -> tuple[int, int]:
        """Factor a and constant b: the side at a stride is a * (side of the token grid) + b."""
        factor = STRIDE // stride
        return factor, (1 - factor) * self.align_corners

    def side(self, tokens: int, stride: int = 1) -> int:
        """A side at a stride, from that of the token grid."""
        factor, constant = self.line(stride)
        return factor * tokens + constant

    def tokens(self, side: int) -> int:
        """A side of the token grid, from that of the network's input."""
        return (side - self.align_corners) // STRIDE + self.align_corners

    def network_size(self, source_hw: tuple[int, int], limits: SizeLimits | None = None) -> tuple[int, int]:
        """Network input size for a frame.

        The frame is brought within the limits; then each side goes to the nearest of the rule's.
        """
        return self.nearest((limits or SizeLimits()).limited(source_hw))

    def nearest(self, hw: tuple[int, int]) -> tuple[int, int]:
        """The network input size next to one, whatever its limits; halves to even."""
        first = int(self.align_corners)
        height, width = (round((side - first) / STRIDE) * STRIDE + first for side in hw)
        return max(self.smallest, height), max(self.smallest, width)

    def fits(self, hw: tuple[int, int]) -> bool:
        """Whether the network takes an input of this size."""
        return all(side >= self.smallest and side == self.side(self.tokens(side)) for side in hw)


ALIGNED, UNALIGNED = GridRule(True), GridRule(False)


@dataclass(frozen=True)
class Grids:
    """Network input H x W and what each symbol of the manifest stands for at that size."""

    height: int
    width: int
    rule: GridRule

    @property
    def hw(self) -> tuple[int, int]:
        return self.height, self.width

    @property
    def tokens(self) -> tuple[int, int]:
        """Token grid (h, w) at stride 16."""
        return self.rule.tokens(self.height), self.rule.tokens(self.width)

    def symbols(self) -> dict[str, int]:
        """Values of H, W, h, w, h8, w8, h4, w4."""
        h, w = self.tokens
        found = {"H": self.height, "W": self.width, "h": h, "w": w}
        for stride in (8, 4):
            found |= {f"h{stride}": self.rule.side(h, stride), f"w{stride}": self.rule.side(w, stride)}
        return found


def resolve(shape: Sequence[int | str], symbols: Mapping[str, int]) -> tuple[int, ...]:
    """A symbolic shape in numbers."""
    return tuple(symbols[side] if isinstance(side, str) else side for side in shape)
