"""A camera held by hand: it shakes, follows what runs, and sometimes zooms."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ermu.scenes.camera import Camera
from ermu.scenes.config import SceneConfig
from ermu.scenes.motion import Matrix, compose, draw_wander, rotation

_TREMORS = 3


@dataclass(frozen=True)
class HandHeld(Camera):
    """A camera with tremors: all things shake alike, for it is the camera that turns.

    Attributes:
        tremors: _TREMORS x 3 x 3: of x and y in pixels and of the angle in radians, each a sine's amplitude,
            rate in radians a frame, and phase.
    """

    tremors: NDArray[np.float64]

    def at(self, t: float, parallax: float = 1.0) -> Matrix:
        """See `Camera.at`; here, too, frame 0 changes nothing."""
        x, y, angle = (
            sum(size * (math.sin(rate * t + phase) - math.sin(phase)) for size, rate, phase in axis)
            for axis in self.tremors.transpose(1, 0, 2).tolist()
        )
        shake = rotation(angle, self.centre_xy)
        shake[:, 2] += (x, y)
        return compose(shake, super().at(t, parallax))


def draw_hand_held(config: SceneConfig, rng: np.random.Generator) -> Camera:
    """Draws a camera: a fifth stand, a third wander, the others follow something across the place."""
    height, width = config.size_hw
    side = min(height, width)
    way = rng.uniform()
    slow, fast, reach = (0.001, 0.01, 0.12) if way < 0.55 else (0.01, 0.06, 0.45)
    speed = (way >= 0.2) * config.motion * side * np.exp(rng.uniform(np.log(slow), np.log(fast)))
    zoom_speed = 0.006 * config.motion if rng.uniform() < 0.5 else 0.0
    rise = rng.uniform(0.05, 0.5)
    shaking = config.motion * float(rng.choice([0.0, 0.3, 1.0, 2.0]))
    sizes = shaking * rng.uniform(0.2, 1.0, (_TREMORS, 3)) * (0.006 * side, 0.006 * side, 0.004)
    rates = 2 * np.pi / rng.uniform(3, 16, (_TREMORS, 3))
    phases = rng.uniform(0, 2 * np.pi, (_TREMORS, 3))
    return HandHeld(
        (width / 2, height / 2),
        draw_wander(rng, 0.0, 0.0, reach * width, speed),
        draw_wander(rng, 0.0, 0.0, min(reach, 0.25) * height, speed * rise),
        draw_wander(rng, 0.0, 0.0, 0.12, 0.15 * min(speed, 0.02 * side) / side),
        draw_wander(rng, 0.0, 0.0, 0.3, zoom_speed),
        np.stack([sizes, rates, phases], axis=2),
    )
