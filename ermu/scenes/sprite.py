"""A sprite: the flat picture of a thing with its coverage, and how it is laid into frame and label map."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from ermu.scenes.motion import Matrix, compose, invert

Image = NDArray[np.uint8]


@dataclass(frozen=True)
class Ripple:
    """Elastic motion: two travelling waves that bend a sprite.

    Attributes:
        amplitude: Greatest displacement by one wave, in sprite radii.
        waves: 2 x 5: direction of the wave x, y (radians a radius), direction of the displacement x, y (unit
            vector), phase (radians).
        rates: 2: radians a frame.
    """

    amplitude: float
    waves: NDArray[np.float64]
    rates: NDArray[np.float64]


@dataclass(frozen=True)
class Sprite:
    """A square picture in coordinates -1..1, y down.

    Attributes:
        pixels: S x S x 4 uint8, BGR and coverage; the colours go on beyond the outline.
        changed: The same with another surface, or None.
    """

    pixels: Image
    changed: Image | None = None

    def look(self, share: float) -> Image:
        """Returns the picture, `share` of the way (0..1) from the first surface to the changed one."""
        if self.changed is None or share <= 0:
            return self.pixels
        if share >= 1:
            return self.changed
        return np.asarray(cv2.addWeighted(self.pixels, 1 - share, self.changed, share, 0), np.uint8)


@lru_cache(maxsize=512)
def _smear(dx: int, dy: int) -> NDArray[np.float32]:
    """Line kernel for motion blur along (dx, dy), given in quarter pixels."""
    reach = int(np.ceil(max(abs(dx), abs(dy)) / 8))
    kernel = np.zeros((2 * reach + 1, 2 * reach + 1), np.float32)
    for share in np.linspace(-0.5, 0.5, 8 * reach + 5):
        kernel[round(reach + share * dy / 4), round(reach + share * dx / 4)] += 1
    return np.asarray(kernel / kernel.sum(), np.float32)


def smear(image: Image, shift_xy: tuple[float, float]) -> Image:
    """Blurs an image along a shift in pixels, of which 20 count at most and less than 1.5 do nothing."""
    length = math.hypot(*shift_xy)
    if length < 1.5:
        return image
    factor = 4 * min(1.0, 20 / length)
    kernel = _smear(round(shift_xy[0] * factor), round(shift_xy[1] * factor))
    return np.asarray(cv2.filter2D(image, -1, kernel), np.uint8)


def _window(
    matrix: Matrix, side: int, grow: float, size_hw: tuple[int, int]
) -> tuple[int, int, int, int] | None:
    """Returns left, top, right, bottom of where a side x side picture lands in the frame, None if outside."""
    (a, b, c), (d, e, f) = matrix.tolist()
    xs = (c, c + a * side, c + b * side, c + (a + b) * side)
    ys = (f, f + d * side, f + e * side, f + (d + e) * side)
    left, top = max(math.floor(min(xs) - grow), 0), max(math.floor(min(ys) - grow), 0)
    right = min(math.ceil(max(xs) + grow) + 1, size_hw[1])
    bottom = min(math.ceil(max(ys) + grow) + 1, size_hw[0])
    return (left, top, right, bottom) if right > left and bottom > top else None


def _bent_maps(
    inverse: Matrix, ripple: Ripple, side: int, t: float, size_wh: tuple[int, int]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Sprite coordinates of each pixel of a window, bent by the ripple: two float32 maps for cv2.remap."""
    x = np.arange(size_wh[0], dtype=np.float32)[None, :]
    y = np.arange(size_wh[1], dtype=np.float32)[:, None]
    (a, b, c), (d, e, f) = inverse.astype(np.float32)
    u, v = a * x + (b * y + c), d * x + (e * y + f)
    radius = np.float32(side / 2)
    for (kx, ky, dx, dy, phase), rate in zip(ripple.waves, ripple.rates, strict=True):
        along_x = np.float32(kx / radius) * a + np.float32(ky / radius) * d
        along_y = np.float32(kx / radius) * b + np.float32(ky / radius) * e
        start = np.float32(kx / radius) * c + np.float32(ky / radius) * f + np.float32(phase + rate * t)
        wave = np.sin(along_x * x + (along_y * y + start))
        u = u + np.float32(ripple.amplitude * dx * radius) * wave
        v = v + np.float32(ripple.amplitude * dy * radius) * wave
    return u, v


def paint(
    frame: Image,
    label: Image,
    picture: Image,
    matrix: Matrix,
    *,
    ident: int,
    ripple: Ripple | None = None,
    t: float = 0.0,
    blur_xy: tuple[float, float] = (0.0, 0.0),
) -> None:
    """Lays a picture over a frame and its label map, in place.

    A pixel belongs to the picture where its coverage is at least one half before any motion blur; the colours
    are blended by coverage after it.

    Args:
        frame: H x W x 3 uint8, BGR.
        label: H x W uint8; covered pixels become `ident`.
        picture: S x S x 4 uint8, BGR and coverage.
        matrix: 2 x 3, from sprite coordinates (-1..1) to frame pixels.
        ident: Object id, 0 for a thing that has no label.
        ripple: Elastic motion, or None.
        t: Frame number, for the ripple.
        blur_xy: Motion during the exposure, in pixels.
    """
    side = picture.shape[0]
    half = (side - 1) / 2
    to_frame = compose(matrix, np.array([[1 / half, 0, -1], [0, 1 / half, -1]]))
    window = _window(to_frame, side, min(math.hypot(*blur_xy), 20) / 2 + 1, label.shape)
    if window is None or abs(to_frame[0, 0] * to_frame[1, 1] - to_frame[0, 1] * to_frame[1, 0]) < 1e-6:
        return
    left, top, right, bottom = window
    size_wh = (right - left, bottom - top)
    inverse = invert(to_frame)
    inverse[:, 2] += inverse[:, :2] @ (left, top)
    if ripple is None:
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        patch = np.asarray(cv2.warpAffine(picture, inverse, size_wh, flags=flags), np.uint8)
    else:
        maps = _bent_maps(inverse, ripple, side, t, size_wh)
        patch = np.asarray(cv2.remap(picture, *maps, cv2.INTER_LINEAR), np.uint8)
    np.copyto(label[top:bottom, left:right], np.uint8(ident), where=patch[:, :, 3] >= 128)
    patch = smear(patch, blur_xy)
    weight = cv2.extractChannel(patch, 3).astype(np.float32) * np.float32(1 / 255)
    target = frame[top:bottom, left:right]
    colours = cv2.cvtColor(patch, cv2.COLOR_BGRA2BGR)
    target[:] = cv2.blendLinear(colours, np.ascontiguousarray(target), weight, 1 - weight)
