"""A picture as video decoders leave it: luma, and chroma of half the size with U and V by turns (NV12)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ermu.errors import KernelError
from ermu.kernels.base.tensor_checks import Tensor, expect_size, expect_tensor
from ermu.types import Image

# Shares of red and blue in luma: Rec. ITU-R BT.601-7, 2.5.1, and BT.709-6, 3.2.
LUMA_SHARES = {"bt601": (0.299, 0.114), "bt709": (0.2126, 0.0722)}
MATRICES = tuple(LUMA_SHARES)


class Colours(NamedTuple):
    """R = gain (Y - black) + red_v (V - 128), and G and B accordingly; all in levels of 255."""

    black: float
    gain: float
    red_v: float
    green_u: float
    green_v: float
    blue_u: float


@dataclass(frozen=True)
class Nv12:
    """A picture of H x W pixels, both even, on the host or on a device.

    Attributes:
        luma: uint8 (H, P) with P >= W: a row may be longer than the picture is wide.
        chroma: uint8 (H / 2, P') with P' >= W: U and V of two by two pixels, by turns.
        width: W.
        matrix: Of `MATRICES`.
        full_range: Luma 0..255 and not 16..235; chroma likewise.
    """

    luma: Tensor
    chroma: Tensor
    width: int
    matrix: str = "bt601"
    full_range: bool = False

    @property
    def shape(self) -> tuple[int, int, int]:
        """That of its BGR picture, (H, W, 3)."""
        return self.luma.shape[0], self.width, 3

    @property
    def colours(self) -> Colours:
        """What makes RGB of it: BT.601-7, 2.5 and BT.709-6, 3 and 4, solved for R, G and B."""
        red, blue = LUMA_SHARES[self.matrix]
        green = 1.0 - red - blue
        black, gain, spread = (0.0, 1.0, 1.0) if self.full_range else (16.0, 255 / 219, 255 / 224)
        red_v, blue_u = 2 * (1 - red) * spread, 2 * (1 - blue) * spread
        return Colours(black, gain, red_v, -blue / green * blue_u, -red / green * red_v, blue_u)


def check_nv12(picture: Nv12) -> None:
    """Raises `KernelError` unless a picture's planes fit each other and its matrix is known."""
    height, width, _ = picture.shape
    expect_size("The picture's size", (height, width))
    luma, chroma = picture.luma, picture.chroma
    whole = len(luma.shape) == len(chroma.shape) == 2 and min(luma.shape[1], chroma.shape[1]) >= width
    if not whole or height % 2 or width % 2:
        raise KernelError(
            f"The picture is {height} x {width}, with planes {tuple(luma.shape)} and {tuple(chroma.shape)}.",
            expected="even sides, H rows of luma and H / 2 of chroma, none shorter than the picture is wide",
        )
    expect_tensor("luma", luma, luma.shape, np.uint8)
    expect_tensor("chroma", chroma, (height // 2, chroma.shape[1]), np.uint8)
    if picture.matrix not in MATRICES:
        raise KernelError(
            f"The picture's matrix is {picture.matrix}.",
            expected=" or ".join(MATRICES),
            fix="give its BGR picture",
        )


def bgr_of(picture: Nv12) -> Image:
    """BGR uint8 (H, W, 3) of a picture on the host, in float64 and rounded.

    Chroma lies left, as H.264 and HEVC have it unless they say otherwise (H.264, E.2.1; of other video it is
    off by half a pixel), and is placed as FFmpeg places it then: a column has three quarters of its pair's
    and a quarter of the next pair's; an odd row its pair's, an even row the mean of it and the pair above's.

    Raises:
        KernelError: it is no such picture.
    """
    check_nv12(picture)
    height, width, _ = picture.shape
    pairs = picture.chroma[:, :width].reshape(height // 2, width // 2, 2).astype(np.float64)
    pairs = 0.75 * pairs + 0.25 * np.concatenate([pairs[:, 1:], pairs[:, -1:]], axis=1)
    chroma = np.repeat(pairs, 2, axis=0)
    chroma[2::2] = (pairs[:-1] + pairs[1:]) / 2
    u, v = np.moveaxis(np.repeat(chroma, 2, axis=1) - 128.0, 2, 0)
    c = picture.colours
    y: npt.NDArray[np.float64] = c.gain * (picture.luma[:, :width].astype(np.float64) - c.black)
    bgr = np.stack([y + c.blue_u * u, y + c.green_u * u + c.green_v * v, y + c.red_v * v], axis=2)
    return np.asarray(np.rint(bgr).clip(0, 255), np.uint8)
