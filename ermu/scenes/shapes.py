"""Outlines of things as coverage masks: smooth blobs, polygons, rods, boxes, rings and clusters."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.uint8]
_SHIFT = 4  # cv2 draws at 1/16 pixel
_MARGIN = 0.86  # of the canvas's half side, so that no outline touches the border


def fill_polygon(points: NDArray[np.float64], size: int) -> Mask:
    """Fills a polygon given in -1..1 on a size x size canvas; coverage 0..255, smooth at the edge."""
    pixels = (points * _MARGIN + 1) * (size - 1) / 2
    mask = np.zeros((size, size), np.uint8)
    cv2.fillPoly(mask, [np.round(pixels * 2**_SHIFT).astype(np.int32)], 255, cv2.LINE_AA, _SHIFT)
    return mask


def capsule(size: int, aspect: float) -> Mask:
    """A standing rod with round ends; aspect is its width over its height."""
    angles = np.linspace(0, np.pi, 24)
    cap = np.stack([np.cos(angles) * aspect, np.sin(angles) * aspect], axis=1)
    middle = np.array([0, 1 - aspect])
    return fill_polygon(np.concatenate([cap + middle, -cap - middle]), size)


def disc(size: int) -> Mask:
    """A disc that fills the canvas but for its margin."""
    angles = np.linspace(0, 2 * np.pi, 96, endpoint=False)
    return fill_polygon(np.stack([np.cos(angles), np.sin(angles)], axis=1), size)


def _blob(rng: np.random.Generator, size: int) -> Mask:
    angles = np.linspace(0, 2 * np.pi, 128, endpoint=False)
    radius = np.ones_like(angles)
    for order in range(2, 8):
        radius += rng.normal(0, 0.42 / order) * np.cos(order * angles + rng.uniform(0, 2 * np.pi))
    radius = np.clip(radius, 0.25, None)
    points = np.stack([np.cos(angles), np.sin(angles) * rng.uniform(0.55, 1.0)], axis=1) * radius[:, None]
    return fill_polygon(points / np.abs(points).max(), size)


def _polygon(rng: np.random.Generator, size: int) -> Mask:
    count = int(rng.integers(3, 9))
    angles = (np.arange(count) + rng.uniform(-0.3, 0.3, count)) * 2 * np.pi / count
    radius = rng.uniform(0.6, 1.0, count)
    if rng.uniform() < 0.25:
        angles = np.arange(2 * count) * np.pi / count
        radius = np.where(np.arange(2 * count) % 2, rng.uniform(0.4, 0.6), 1.0)
    points = np.stack([np.cos(angles) * radius, np.sin(angles) * radius], axis=1)
    return fill_polygon(points / np.abs(points).max(), size)


def _box(rng: np.random.Generator, size: int) -> Mask:
    aspect, corner = rng.uniform(0.4, 1.0), rng.uniform(0.02, 0.4)
    angles = np.linspace(0, 2 * np.pi, 64, endpoint=False)
    arc = np.stack([np.cos(angles), np.sin(angles)], axis=1) * corner * aspect
    inner = np.array([1 - corner * aspect, aspect - corner * aspect])
    return fill_polygon(arc + np.sign(arc + 1e-9) * inner, size)


def _ring(rng: np.random.Generator, size: int) -> Mask:
    outer = _blob(rng, size) if rng.uniform() < 0.5 else disc(size)
    depth = cv2.distanceTransform((outer > 127).astype(np.uint8), cv2.DIST_L2, 3)
    hole = np.clip((depth - depth.max() * rng.uniform(0.45, 0.7)) * 255 + 128, 0, 255).astype(np.uint8)
    return np.asarray(cv2.subtract(outer, hole), np.uint8)


def _cluster(rng: np.random.Generator, size: int) -> Mask:
    mask = np.zeros((size, size), np.uint8)
    scale = size / 2 * 2**_SHIFT
    for i in range(int(rng.integers(2, 5))):
        reach = 0.0 if i == 0 else rng.uniform(0.25, 0.45)
        angle, tilt = rng.uniform(0, 2 * np.pi), float(rng.uniform(0, 180))
        centre = (scale * (1 + reach * np.array([np.cos(angle), np.sin(angle)]))).astype(int).tolist()
        axes = (scale * rng.uniform(0.2, 0.45, 2)).astype(int).tolist()
        cv2.ellipse(mask, centre, axes, tilt, 0, 360, 255, -1, cv2.LINE_AA, _SHIFT)
    return mask


def draw_shape(rng: np.random.Generator, size: int) -> Mask:
    """Draws a random outline.

    Args:
        rng: Stream to draw from.
        size: Side of the square canvas in pixels.

    Returns:
        size x size uint8 coverage: 255 inside, 0 outside and along the canvas's border.
    """
    kind = rng.uniform()
    if kind < 0.42:
        return _blob(rng, size)
    if kind < 0.58:
        return _polygon(rng, size)
    if kind < 0.70:
        return capsule(size, rng.uniform(0.25, 0.6))
    if kind < 0.80:
        return _box(rng, size)
    if kind < 0.94:
        return _cluster(rng, size)
    return _ring(rng, size)
