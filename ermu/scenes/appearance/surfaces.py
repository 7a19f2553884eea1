"""A surface: a piece of a texture or photograph, turned, scaled and recoloured for one thing in a scene."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from ermu.scenes.appearance.photographs import photograph, photograph_count
from ermu.scenes.appearance.textures import POOL_SIZE, generated_texture
from ermu.scenes.config import SceneConfig


def draw_surface(
    config: SceneConfig, rng: np.random.Generator, size_hw: tuple[int, int], zoom: float = 1.0
) -> NDArray[np.uint8]:
    """Draws a surface that fills `size_hw`.

    Args:
        config: Says which textures and which split.
        rng: Stream to draw from.
        size_hw: Height and width in pixels.
        zoom: Enlargement of a generated texture; photographs are fitted to the size instead.

    Returns:
        H x W x 3 uint8, BGR.

    Raises:
        DependencyError: Photographs are asked for and their packages are missing.
    """
    share = {"generated": 0.0, "mixed": 0.5, "photographs": 1.0}[config.textures]
    from_photograph = rng.uniform() < share
    if from_photograph:
        source = photograph(config.split, int(rng.integers(photograph_count(config.split))))
        largest = min(source.shape[0] / size_hw[0], source.shape[1] / size_hw[1])
        scale = 1 / (max(largest, 0.35) * rng.uniform(0.35, 1.0))
        angle = rng.normal(0, 0.25)
    else:
        source = generated_texture(config.split, int(rng.integers(POOL_SIZE)))
        scale = zoom * np.exp(rng.uniform(-0.7, 0.7))
        angle = rng.uniform(0, 2 * np.pi)
    surface = cut(source, rng, size_hw, float(scale), float(angle))
    return recolour(surface, rng, 0.3 if from_photograph else 1.0)


def cut(
    source: NDArray[np.uint8], rng: np.random.Generator, size_hw: tuple[int, int], scale: float, angle: float
) -> NDArray[np.uint8]:
    """Cuts a turned window around a random point out of a source that is reflected at its borders."""
    mirror = -1.0 if rng.uniform() < 0.5 else 1.0
    cos, sin = np.cos(angle) / scale, np.sin(angle) / scale
    linear = np.array([[cos * mirror, -sin], [sin * mirror, cos]])
    point = rng.uniform(0.3, 0.7, 2) * (source.shape[1], source.shape[0])
    shift = point - linear @ (size_hw[1] / 2, size_hw[0] / 2)
    matrix = np.column_stack([linear, shift])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    cut = cv2.warpAffine(source, matrix, size_hw[::-1], flags=flags, borderMode=cv2.BORDER_REFLECT_101)
    return np.asarray(cut, np.uint8)


def recolour(image: NDArray[np.uint8], rng: np.random.Generator, strength: float) -> NDArray[np.uint8]:
    """Shifts hue, saturation, contrast and brightness by a random matrix; strength 0 changes nothing."""
    turn = strength * rng.uniform(-np.pi, np.pi)
    third, root = 1 / 3, np.sqrt(1 / 3)
    cos, sin = np.cos(turn), np.sin(turn)
    grey = np.full((3, 3), third)
    cross = np.array([[0, -root, root], [root, 0, -root], [-root, root, 0]])
    hue = cos * np.eye(3) + (1 - cos) * grey + sin * cross
    saturation = np.exp(strength * rng.uniform(-0.5, 0.25))
    contrast = np.exp(strength * rng.uniform(-0.5, 0.15))
    matrix = contrast * (saturation * np.eye(3) + (1 - saturation) * grey) @ hue
    mean = np.array([[float(image[::8, ::8].mean())]] * 3)
    offset = mean - matrix.sum(axis=1, keepdims=True) * mean + strength * rng.uniform(-30, 30)
    return np.asarray(cv2.transform(image, np.column_stack([matrix, offset])), np.uint8)
