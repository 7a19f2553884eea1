"""Surfaces of footage: pieces of photographs, cloth and skin, and the pictures of things cut out."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from ermu.scenes.appearance.surfaces import cut, draw_surface, recolour
from ermu.scenes.appearance.textures import smooth_noise
from ermu.scenes.config import SceneConfig
from ermu.scenes.footage.collection import cut_outs, photographs, read
from ermu.scenes.footage.extraction import extracted

Image = NDArray[np.uint8]

_KINDS = ("animals", "animals", "vehicles", "things")
_EXTRACTED, _TRIES = 0.3, 4  # share of cut-outs taken from whole photographs, and how many are looked at
_MARGIN = 0.86  # of the canvas's half side, as outlines have it
_SKIN = np.array(
    [[140, 175, 225], [105, 140, 200], [60, 90, 150], [40, 60, 105], [165, 190, 235]], np.float64
)


def photograph(config: SceneConfig, rng: np.random.Generator) -> Image:
    """One photograph of the scene's split, H x W x 3."""
    found = photographs(config.split)
    return read(found[int(rng.integers(len(found)))])[:, :, :3]


def piece(config: SceneConfig, rng: np.random.Generator, size_hw: tuple[int, int]) -> Image:
    """A surface: mostly a turned piece of a photograph, else what drawn scenes have; H x W x 3."""
    if rng.uniform() < 0.25:
        return draw_surface(config, rng, size_hw)
    source = photograph(config, rng)
    largest = min(source.shape[0] / size_hw[0], source.shape[1] / size_hw[1])
    scale = 1 / (max(largest, 0.35) * rng.uniform(0.2, 1.0))
    return recolour(cut(source, rng, size_hw, float(scale), float(rng.normal(0, 0.3))), rng, 0.3)


def cloth(config: SceneConfig, rng: np.random.Generator, side: int, skin: bool = False) -> Image:
    """One colour with folds of light and some of a photograph's grain: side x side x 3."""
    grain = piece(config, rng, (side, side)).astype(np.float32)
    colour = grain.mean((0, 1)) if not skin else _SKIN[rng.integers(len(_SKIN))] * rng.uniform(0.75, 1.1)
    share = rng.uniform(0.05, 0.25) if skin or rng.uniform() < 0.6 else rng.uniform(0.25, 0.9)
    folds = 1 + rng.uniform(0.1, 0.6) * (smooth_noise(rng, side, rng.uniform(2, 6), 3) - 0.5)
    mixed = (share * (grain - grain.mean((0, 1))) + colour) * folds[:, :, None]
    return np.asarray(np.clip(mixed, 0, 255), np.uint8)


def draw_cut_out(config: SceneConfig, rng: np.random.Generator, kind: str | None = None) -> Image:
    """A thing out of a photograph, H x W x 4: a stamp, of one kind or any, or one found in a whole one."""
    if kind is None and rng.uniform() < _EXTRACTED:
        found = photographs(config.split)
        tries = (extracted(found[i]) for i in rng.integers(len(found), size=_TRIES).tolist())
        thing = next((thing for thing in tries if thing is not None), None)
        if thing is not None:
            return thing
    stamps = cut_outs(config.split, kind or _KINDS[int(rng.integers(len(_KINDS)))])
    return read(stamps[int(rng.integers(len(stamps)))])


def on_canvas(image: Image, side: int) -> Image:
    """A cut-out on a square canvas, side x side x 4 uint8; its colours go on beyond the outline."""
    solid = image[:, :, 3] > 127
    rows, columns = np.flatnonzero(solid.any(1)), np.flatnonzero(solid.any(0))
    if not len(rows):
        return np.zeros((side, side, 4), np.uint8)
    image = image[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    scale = _MARGIN * side / max(image.shape[:2])
    way = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    weight = image[:, :, 3:].astype(np.float32) / 255
    premultiplied = np.dstack([image[:, :, :3] * weight, weight])
    height, width = (max(2, round(length * scale)) for length in image.shape[:2])
    small = cv2.resize(premultiplied, (width, height), interpolation=way)
    canvas = np.zeros((side, side, 4), np.float32)
    top, left = (side - height) // 2, (side - width) // 2
    canvas[top : top + height, left : left + width] = small
    return _continued(canvas)


def _continued(canvas: NDArray[np.float32]) -> Image:
    """Colours from premultiplied ones; where nothing covers, those of what is near."""
    near, far = (cv2.GaussianBlur(canvas, (0, 0), sigma) for sigma in (1.5, 12.0))
    total = canvas + 1e-2 * near + 1e-4 * far
    colours = total[:, :, :3] / np.maximum(total[:, :, 3:], 1e-7)
    covered = np.dstack([np.clip(colours, 0, 255), canvas[:, :, 3] * 255])
    return np.asarray(covered.round(), np.uint8)


def tinted(thing: Image, rng: np.random.Generator, strength: float) -> Image:
    """A cut-out with its colours, not its coverage, shifted as `recolour` does."""
    return np.dstack([recolour(np.ascontiguousarray(thing[:, :, :3]), rng, strength), thing[:, :, 3]])
