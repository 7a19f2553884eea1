"""The place of a footage scene: a photograph, wider than the frame, with things that stand in it."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from ermu.scenes.appearance.surfaces import recolour
from ermu.scenes.backdrop import draw_backdrop
from ermu.scenes.config import SceneConfig
from ermu.scenes.footage.surfaces import draw_cut_out, on_canvas, photograph, piece, tinted

Image = NDArray[np.uint8]
_TIMES_HW = (1.5, 2.0)


def draw_place(config: SceneConfig, rng: np.random.Generator) -> Image:
    """Draws a background with room for the camera's motion.

    Returns:
        H x W x 3 uint8, BGR: 1.5 times the frame's height, twice its width; an eighth are as in drawn scenes.
    """
    if rng.uniform() < 0.125:
        return draw_backdrop(config, rng)
    height, width = (round(n * side) for n, side in zip(_TIMES_HW, config.size_hw, strict=True))
    picture = _covering(photograph(config, rng), rng, height, width)
    if rng.uniform() < 0.25:
        horizon = int(height * rng.uniform(0.4, 0.8))
        picture[horizon:] = piece(config, rng, (height - horizon, width))
    for _ in range(int(rng.choice([0, 0, 2, 4, 8]))):
        _stand(picture, _thing(config, rng, height), rng)
    if rng.uniform() < 0.4:
        picture = np.asarray(cv2.GaussianBlur(picture, (0, 0), rng.uniform(0.6, 3.0)), np.uint8)
    return recolour(picture, rng, 0.2)


def _covering(source: Image, rng: np.random.Generator, height: int, width: int) -> Image:
    """A part of a photograph, mirrored half of the time, that fills height x width."""
    scale = max(height / source.shape[0], width / source.shape[1]) * rng.uniform(1.0, 1.5)
    large = cv2.resize(source, None, fx=scale, fy=scale, interpolation=cv2.INTER_LINEAR)
    large = cv2.copyMakeBorder(
        large, 0, max(0, height - large.shape[0]), 0, max(0, width - large.shape[1]), cv2.BORDER_REFLECT_101
    )
    top = int(rng.integers(large.shape[0] - height + 1))
    left = int(rng.integers(large.shape[1] - width + 1))
    step = -1 if rng.uniform() < 0.5 else 1
    return np.ascontiguousarray(large[top : top + height, left : left + width][:, ::step], np.uint8)


def _thing(config: SceneConfig, rng: np.random.Generator, height: int) -> Image:
    side = int(np.clip(height * rng.uniform(0.12, 0.5), 24, 200))
    return tinted(on_canvas(draw_cut_out(config, rng), side), rng, 0.2)


def _stand(picture: Image, thing: Image, rng: np.random.Generator) -> None:
    """Lays a thing somewhere over a picture, in place."""
    side = thing.shape[0]
    left, top = (int(rng.integers(0, length - side)) for length in (picture.shape[1], picture.shape[0]))
    target = picture[top : top + side, left : left + side]
    weight = thing[:, :, 3].astype(np.float32) / 255
    colours = np.ascontiguousarray(thing[:, :, :3])
    target[:] = cv2.blendLinear(colours, np.ascontiguousarray(target), weight, 1 - weight)
