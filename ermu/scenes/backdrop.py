"""The background of a scene: a wide still picture that only the camera moves."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from ermu.scenes.appearance.surfaces import draw_surface
from ermu.scenes.config import SceneConfig
from ermu.scenes.motion import Matrix
from ermu.scenes.shapes import draw_shape
from ermu.scenes.sprite import smear

Image = NDArray[np.uint8]
_MARGIN = 0.2


def draw_backdrop(config: SceneConfig, rng: np.random.Generator) -> Image:
    """Draws a background with a margin for the camera's motion.

    Returns:
        round(1.4 * H) x round(1.4 * W) x 3 uint8, BGR: one surface, or two with standing clutter.
    """
    height, width = (round(side * (1 + 2 * _MARGIN)) for side in config.size_hw)
    picture = draw_surface(config, rng, (height, width), 1.6)
    if config.textures != "generated" and rng.uniform() < 0.4:
        return picture
    if rng.uniform() < 0.5:
        horizon = int(height * rng.uniform(0.3, 0.8))
        picture[horizon:] = draw_surface(config, rng, (height - horizon, width), 1.4)
    for _ in range(int(rng.integers(0, 9))):
        size = int(min(height, width) * rng.uniform(0.1, 0.6))
        left, top = int(rng.integers(0, width - size)), int(rng.integers(0, height - size))
        mask = draw_shape(rng, size).astype(np.float32) / 255
        target = picture[top : top + size, left : left + size]
        patch = draw_surface(config, rng, (size, size))
        target[:] = cv2.blendLinear(patch, np.ascontiguousarray(target), mask, 1 - mask)
    if rng.uniform() < 0.35:
        picture = np.asarray(cv2.GaussianBlur(picture, (0, 0), rng.uniform(0.8, 3.0)), np.uint8)
    return picture


def show_backdrop(
    picture: Image, camera: tuple[Matrix, Matrix], size_hw: tuple[int, int], shutter: float
) -> Image:
    """Returns the background as the camera sees it, H x W x 3 uint8, blurred by the camera's own motion.

    Args:
        picture: From `draw_backdrop`.
        camera: World-to-frame matrices of this frame and the next.
        size_hw: Height and width of the frame.
        shutter: Share of the frame period that the shutter is open.
    """
    height, width = size_hw
    margin = np.array([(picture.shape[1] - width) / 2, (picture.shape[0] - height) / 2])
    matrix = camera[0].copy()
    matrix[:, 2] -= matrix[:, :2] @ margin
    mirrored = cv2.BORDER_REFLECT_101
    seen = cv2.warpAffine(picture, matrix, (width, height), flags=cv2.INTER_LINEAR, borderMode=mirrored)
    middle = np.array([width / 2, height / 2, 1.0])
    shift = (camera[1] @ middle - camera[0] @ middle) * shutter
    return smear(np.asarray(seen, np.uint8), (float(shift[0]), float(shift[1])))
