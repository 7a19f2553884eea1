"""Generated surfaces: noise, stripes, checks, spots, cells, marble, bricks, fur, weave, signs and paint."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from ermu.scenes.appearance.palettes import apply_palette, draw_palette
from ermu.scenes.config import Split

TEXTURE_SIZE = 320
POOL_SIZE = 240
_POOL_KEYS = {"train": 0x7465, "validation": 0x7665}

Image = NDArray[np.uint8]
Field = NDArray[np.float32]


def smooth_noise(rng: np.random.Generator, size: int, cells: float, octaves: int, gain: float = 0.5) -> Field:
    """Multi-octave noise, size x size float32, stretched to 0..1; `cells` coarsest bumps a side."""
    total = np.zeros((size, size), np.float32)
    weight = 1.0
    for octave in range(octaves):
        side = min(round(cells * 2**octave) + 1, size)
        grid = rng.random((side, side), dtype=np.float32)
        total += weight * cv2.resize(grid, (size, size), interpolation=cv2.INTER_CUBIC)
        weight *= gain
    low, high = float(total.min()), float(total.max())
    return np.asarray((total - low) / max(high - low, 1e-6), np.float32)


def _coordinates(rng: np.random.Generator, warp: float) -> tuple[Field, Field]:
    """Rotated coordinates in units of the texture's side, bent by low noise."""
    axis = np.linspace(0, 1, TEXTURE_SIZE, dtype=np.float32)
    x, y = np.meshgrid(axis, axis)
    angle = rng.uniform(0, np.pi)
    u = x * np.float32(np.cos(angle)) + y * np.float32(np.sin(angle))
    v = y * np.float32(np.cos(angle)) - x * np.float32(np.sin(angle))
    u = u + np.float32(warp) * smooth_noise(rng, TEXTURE_SIZE, 3, 2)
    v = v + np.float32(warp) * smooth_noise(rng, TEXTURE_SIZE, 3, 2)
    return u, v


def _wave(phase: Field, hardness: float) -> Field:
    """A wave in 0..1 of the given phase (turns): a sine that hardens towards a square."""
    wave = np.tanh(hardness * np.sin(2 * np.pi * phase)) / np.tanh(hardness)
    return np.asarray(0.5 + 0.5 * wave, np.float32)


def _noise(rng: np.random.Generator) -> Image:
    field = smooth_noise(rng, TEXTURE_SIZE, rng.uniform(2, 12), 6, rng.uniform(0.4, 0.75))
    return apply_palette(field, draw_palette(rng, int(rng.integers(2, 6))))


def _stripes(rng: np.random.Generator) -> Image:
    u, _ = _coordinates(rng, rng.choice([0.0, 0.05, 0.2]))
    field = _wave(u * rng.uniform(4, 24), rng.choice([0.5, 3.0, 12.0]))
    if rng.uniform() < 0.5:
        field = np.asarray((field + _wave(u * rng.uniform(2, 8), 4.0)) / 2, np.float32)
    return apply_palette(field, draw_palette(rng, int(rng.integers(2, 5))))


def _checks(rng: np.random.Generator) -> Image:
    u, v = _coordinates(rng, rng.choice([0.0, 0.04, 0.12]))
    rate, hardness = rng.uniform(3, 14), rng.choice([1.0, 8.0])
    a, b = _wave(u * rate, hardness), _wave(v * rate * rng.uniform(0.7, 1.4), hardness)
    mixed = a + b - 2 * a * b if rng.uniform() < 0.5 else (a + b) / 2
    return apply_palette(np.asarray(mixed, np.float32), draw_palette(rng, int(rng.integers(2, 5))))


def _spots(rng: np.random.Generator) -> Image:
    image = _plain(rng)
    colours = draw_palette(rng, 5)
    largest = rng.uniform(6, 34)
    for _ in range(int(rng.integers(20, 160))):
        centre = rng.integers(0, TEXTURE_SIZE, 2).tolist()
        axes = np.maximum(rng.uniform(0.3, 1.0, 2) * largest, 2).astype(int).tolist()
        colour = colours[rng.integers(5)].tolist()
        cv2.ellipse(image, centre, axes, float(rng.uniform(0, 180)), 0, 360, colour, -1, cv2.LINE_AA)
    return image


def _cells(rng: np.random.Generator) -> Image:
    seeds = np.full((TEXTURE_SIZE, TEXTURE_SIZE), 255, np.uint8)
    count = int(rng.integers(30, 300))
    points = rng.integers(0, TEXTURE_SIZE, (count, 2))
    seeds[points[:, 0], points[:, 1]] = 0
    distance, labels = cv2.distanceTransformWithLabels(seeds, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
    shades = rng.random(int(labels.max()) + 1, dtype=np.float32)
    depth = np.asarray(distance / max(float(distance.max()), 1.0), np.float32)
    field = np.clip(shades[labels] - rng.uniform(0, 0.8) * depth, 0, 1)
    return apply_palette(field, draw_palette(rng, int(rng.integers(3, 6))))


def _marble(rng: np.random.Generator) -> Image:
    u, _ = _coordinates(rng, rng.uniform(0.3, 0.9))
    field = _wave(u * rng.uniform(1.5, 6) + smooth_noise(rng, TEXTURE_SIZE, 5, 5), 0.7)
    return apply_palette(field, draw_palette(rng, int(rng.integers(2, 6))))


def _bricks(rng: np.random.Generator) -> Image:
    palette = draw_palette(rng, 6)
    image = np.empty((TEXTURE_SIZE, TEXTURE_SIZE, 3), np.uint8)
    image[:] = palette[0].astype(np.uint8)
    height, width = int(rng.integers(14, 50)), int(rng.integers(20, 110))
    joint, offset = int(rng.integers(1, 4)), rng.choice([0.0, 0.5])
    for row, top in enumerate(range(0, TEXTURE_SIZE, height)):
        start = -int(width * offset * (row % 2))
        for left in range(start, TEXTURE_SIZE, width):
            colour = np.clip(palette[rng.integers(1, 6)] + rng.normal(0, 8), 0, 255).tolist()
            corner = (left + width - joint - 1, top + height - joint - 1)
            cv2.rectangle(image, (left + joint, top + joint), corner, colour, -1)
    return image


def _fur(rng: np.random.Generator) -> Image:
    image = _plain(rng)
    palette = draw_palette(rng, 6)
    angles = smooth_noise(rng, TEXTURE_SIZE, 2, 1) * rng.uniform(0.5, 3) + rng.uniform(0, 6.28)
    length, width = rng.uniform(6, 26), int(rng.integers(1, 4))
    for x, y in rng.integers(0, TEXTURE_SIZE, (1400, 2)).tolist():
        angle = float(angles[y, x])
        end = (int(x + length * np.cos(angle)), int(y + length * np.sin(angle)))
        cv2.line(image, (x, y), end, palette[rng.integers(6)].tolist(), width, cv2.LINE_AA)
    return image


def _weave(rng: np.random.Generator) -> Image:
    u, v = _coordinates(rng, rng.choice([0.0, 0.03]))
    palette = draw_palette(rng, 4)
    warp = apply_palette(_wave(u * rng.uniform(2, 9), 5.0), palette[:2])
    weft = apply_palette(_wave(v * rng.uniform(2, 9), 5.0), palette[2:])
    return cv2.addWeighted(warp, 0.55, weft, 0.45, 0.0).astype(np.uint8)


def _signs(rng: np.random.Generator) -> Image:
    image = _plain(rng)
    palette = draw_palette(rng, 4)
    letters = "ABCDEFGHKLMNPRSTUVXYZ0123456789&%#"
    for _ in range(int(rng.integers(8, 40))):
        word = "".join(letters[i] for i in rng.integers(0, len(letters), rng.integers(1, 6)))
        x, y = rng.integers(-20, TEXTURE_SIZE, 2).tolist()
        scale, thickness = float(rng.uniform(0.6, 3.2)), int(rng.integers(2, 7))
        font = int(rng.choice([cv2.FONT_HERSHEY_SIMPLEX, cv2.FONT_HERSHEY_DUPLEX, cv2.FONT_HERSHEY_TRIPLEX]))
        colour = palette[rng.integers(4)].tolist()
        cv2.putText(image, word, (x, y), font, scale, colour, thickness, cv2.LINE_AA)
    return image


def _plain(rng: np.random.Generator) -> Image:
    u, _ = _coordinates(rng, 0.3)
    grain = smooth_noise(rng, TEXTURE_SIZE, 60, 2)
    field = np.clip((u - u.min()) / np.ptp(u) + rng.uniform(0, 0.25) * (grain - 0.5), 0, 1)
    palette = draw_palette(rng, 3)
    palette = palette[:1] + rng.uniform(0.1, 0.6) * (palette - palette[:1])
    return apply_palette(np.asarray(field, np.float32), palette)


GENERATORS: tuple[Callable[[np.random.Generator], Image], ...] = (
    _noise, _stripes, _checks, _spots, _cells, _marble, _bricks, _fur, _weave, _signs, _plain, _noise,
)  # fmt: skip


@lru_cache(maxsize=POOL_SIZE)
def generated_texture(split: Split, index: int) -> Image:
    """Returns one texture of a split's pool; it depends on the split and the index only.

    Args:
        split: 'train' or 'validation'; the pools are disjoint.
        index: 0 to POOL_SIZE - 1.

    Returns:
        TEXTURE_SIZE x TEXTURE_SIZE x 3 uint8, BGR, read-only, kept for the process's life (0.3 MB each).
    """
    rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence([_POOL_KEYS[split], index])))
    image = GENERATORS[index % len(GENERATORS)](rng)
    shade = 0.75 + 0.5 * smooth_noise(rng, TEXTURE_SIZE, 2, 3)
    grain = rng.normal(0, rng.uniform(0, 7), (TEXTURE_SIZE, TEXTURE_SIZE, 1)).astype(np.float32)
    image = np.clip(image * shade[:, :, None] + grain, 0, 255).astype(np.uint8)
    image.flags.writeable = False
    return image
