"""The camera of a scene: its motion, the light it sees, and what lens and sensor make of it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from ermu.scenes.appearance.textures import smooth_noise
from ermu.scenes.config import SceneConfig
from ermu.scenes.motion import Matrix, Wander, draw_wander, rotation

Image = NDArray[np.uint8]
_SHADE_SIZE = 96
_NOISE_PERIOD = 64


@dataclass(frozen=True)
class Camera:
    """World-to-frame motion; in frame 0 it changes nothing."""

    centre_xy: tuple[float, float]
    x: Wander
    y: Wander
    angle: Wander
    log_zoom: Wander

    def at(self, t: float, parallax: float = 1.0) -> Matrix:
        """Returns the 2 x 3 world-to-frame matrix of frame t; nearer things (parallax > 1) shift further."""
        matrix = rotation(self.angle.at(t), self.centre_xy, math.exp(self.log_zoom.at(t)))
        matrix[:, 2] += (parallax * self.x.at(t), parallax * self.y.at(t))
        return matrix


def draw_camera(config: SceneConfig, rng: np.random.Generator) -> Camera:
    """Draws a camera: a third stand still, the others pan, sway, turn and zoom a little."""
    height, width = config.size_hw
    side = min(height, width)
    moves = rng.uniform() >= 0.33
    speed = moves * config.motion * side * np.exp(rng.uniform(np.log(0.001), np.log(0.012)))
    zoom_speed = 0.004 * config.motion if rng.uniform() < 0.4 else 0.0
    return Camera(
        (width / 2, height / 2),
        draw_wander(rng, 0.0, 0.0, 0.12 * width, speed),
        draw_wander(rng, 0.0, 0.0, 0.10 * height, speed * 0.6),
        draw_wander(rng, 0.0, 0.0, 0.12, 0.15 * speed / side),
        draw_wander(rng, 0.0, 0.03, 0.12, zoom_speed),
    )


@dataclass(frozen=True)
class Lens:
    """Light, exposure, blur and noise, a function of the frame number.

    Attributes:
        noise_seed: Decides where each frame's noise is taken.
        exposure: Gain of all channels, in log units.
        gains: Further gain of blue, green and red, in log units.
        shade: _SHADE_SIZE square float32 light field that drifts over the frame, or None.
        drift: Drift of the field, in its pixels.
        shutter: Open share of the frame period.
        softness: Sigma of the lens blur in pixels, 0 for none.
        noise: Sigma of the sensor's noise in grey levels.
    """

    noise_seed: int
    exposure: Wander
    gains: tuple[Wander, Wander, Wander]
    shade: NDArray[np.float32] | None
    drift: tuple[Wander, Wander]
    shutter: float
    softness: float
    noise: int

    def apply(self, frame: Image, t: int) -> Image:
        """Returns what the sensor makes of a frame (H x W x 3 uint8 BGR) in frame t."""
        height, width = frame.shape[:2]
        gains = np.exp([self.exposure.at(t) + gain.at(t) for gain in self.gains])
        if self.shade is not None:
            scale = 0.5 * _SHADE_SIZE / max(height, width)
            left, top = (_SHADE_SIZE / 4 + drift.at(t) for drift in self.drift)
            matrix = np.array([[scale, 0, left], [0, scale, top]])
            flags, mirrored = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, cv2.BORDER_REFLECT_101
            field = cv2.warpAffine(self.shade, matrix, (width, height), flags=flags, borderMode=mirrored)
            light = cv2.merge([field * np.float32(gain) for gain in gains])
            frame = np.asarray(cv2.multiply(frame, light, dtype=cv2.CV_8U), np.uint8)
        else:
            frame = np.asarray(cv2.transform(frame, np.diag(gains)), np.uint8)
        if self.softness > 0:
            frame = np.asarray(cv2.GaussianBlur(frame, (0, 0), self.softness), np.uint8)
        if self.noise > 0:
            bank = _noise_bank(self.noise, (height, width))
            top, left = _offset(self.noise_seed, t)
            grain = bank[top : top + height, left : left + width]
            frame = np.asarray(cv2.add(frame, grain, dtype=cv2.CV_8U), np.uint8)
        return frame


def _offset(seed: int, t: int) -> tuple[int, int]:
    """Where the noise of frame t starts in its bank: a mixed hash, far cheaper than a generator."""
    mixed = (seed * 0x9E3779B97F4A7C15 + (t + 1) * 0xBF58476D1CE4E5B9) & 0xFFFFFFFFFFFFFFFF
    mixed ^= mixed >> 31
    return mixed % _NOISE_PERIOD, (mixed >> 16) % _NOISE_PERIOD


@lru_cache(maxsize=24)
def _noise_bank(sigma: int, size_hw: tuple[int, int]) -> NDArray[np.int16]:
    rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence([0x6E6F, sigma])))
    shape = (size_hw[0] + _NOISE_PERIOD, size_hw[1] + _NOISE_PERIOD, 3)
    return np.round(rng.normal(0, sigma, shape)).astype(np.int16)


def draw_lens(config: SceneConfig, rng: np.random.Generator) -> Lens:
    """Draws light and sensor: half the scenes have drifting shade, most some blur and noise."""
    exposure = draw_wander(rng, 0.0, 0.0, rng.uniform(0.05, 0.4), 0.006 * config.motion)
    gains = [draw_wander(rng, rng.uniform(-0.1, 0.1), 0.0, 0.15, 0.002 * config.motion) for _ in range(3)]
    shade = None
    if rng.uniform() < 0.5:
        depth = rng.uniform(0.2, 0.6)
        shade = np.asarray(1.1 - depth * smooth_noise(rng, _SHADE_SIZE, 3, 2), np.float32)
    drift = tuple(draw_wander(rng, 0.0, 0.0, _SHADE_SIZE / 4, 0.5 * config.motion) for _ in range(2))
    return Lens(
        config.seed,
        exposure,
        (gains[0], gains[1], gains[2]),
        shade,
        (drift[0], drift[1]),
        float(rng.choice([0.0, 0.3, 0.5, 0.8])),
        float(rng.choice([0.0, 0.5, 0.7, 1.0])),
        int(rng.choice([0, 1, 2, 3, 5])),
    )
