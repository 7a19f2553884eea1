"""Smooth motion as closed formulas of the frame number: any frame can be drawn without the ones before."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]  # 2 x 3 affine


@dataclass(frozen=True)
class Wander:
    """A number that wanders within [centre - reach, centre + reach] and is `start` at frame 0.

    x(t) = centre + reach * sin(arcsin((start - centre) / reach) + turn(t)), turn(t) = rate * t +
    sway * (sin(sway_rate * t + phase) - sin(phase)), all rates in radians a frame.
    """

    start: float
    centre: float = 0.0
    reach: float = 0.0
    rate: float = 0.0
    sway: float = 0.0
    sway_rate: float = 0.0
    phase: float = 0.0

    def at(self, t: float) -> float:
        """Returns the value at frame t."""
        if self.reach <= 0:
            return self.start
        begin = math.asin(min(max((self.start - self.centre) / self.reach, -1.0), 1.0))
        turn = self.rate * t + self.sway * (math.sin(self.sway_rate * t + self.phase) - math.sin(self.phase))
        return self.centre + self.reach * math.sin(begin + turn)


STILL = Wander(0.0)


def draw_wander(rng: np.random.Generator, start: float, centre: float, reach: float, speed: float) -> Wander:
    """Draws a wander whose fastest drift is about `speed` units a frame."""
    if reach <= 0 or speed <= 0:
        return Wander(start)
    rate = float(rng.choice([-1, 1]) * speed * rng.uniform(0.4, 1.0) / reach)
    sway_rate = 2 * np.pi / rng.uniform(18, 70)
    sway = float(speed * rng.uniform(0.0, 0.6) / reach / sway_rate)
    return Wander(start, centre, reach, rate, sway, float(sway_rate), float(rng.uniform(0, 2 * np.pi)))


@dataclass(frozen=True)
class Absence:
    """A stretch of frames in which a thing is carried out of the frame along `shift_xy` (pixels) and back."""

    leaves: float
    returns: float
    ramp: float
    shift_xy: tuple[float, float]

    def at(self, t: float) -> tuple[float, float]:
        """Returns the displacement at frame t: zero before and after, the whole shift in between."""
        share = smoothstep((t - self.leaves) / self.ramp) - smoothstep((t - self.returns) / self.ramp)
        return self.shift_xy[0] * share, self.shift_xy[1] * share


def smoothstep(x: float) -> float:
    """0 below 0, 1 above 1, smooth in between."""
    x = min(max(x, 0.0), 1.0)
    return x * x * (3 - 2 * x)


@dataclass(frozen=True)
class Pose:
    """Where a thing is, how it is turned, scaled and sheared, each a wander of the frame number."""

    x: Wander
    y: Wander
    angle: Wander
    log_scale: Wander
    stretch: Wander
    shear: Wander
    absences: tuple[Absence, ...] = ()

    def at(self, t: float) -> Matrix:
        """Returns the 2 x 3 matrix from the thing's own coordinates (unit radius, y down) to the world's."""
        angle, scale = self.angle.at(t), math.exp(self.log_scale.at(t))
        cos, sin = math.cos(angle) * scale, math.sin(angle) * scale
        stretch, shear = math.exp(self.stretch.at(t)), self.shear.at(t)
        x, y = self.x.at(t), self.y.at(t)
        for absence in self.absences:
            away = absence.at(t)
            x, y = x + away[0], y + away[1]
        top = (cos * stretch, cos * shear - sin / stretch, x)
        bottom = (sin * stretch, sin * shear + cos / stretch, y)
        return np.array((top, bottom))


def compose(outer: Matrix, inner: Matrix) -> Matrix:
    """Returns the affine that applies `inner`, then `outer`."""
    product = outer[:, :2] @ inner
    product[:, 2] += outer[:, 2]
    return np.asarray(product, np.float64)


def invert(matrix: Matrix) -> Matrix:
    """Returns the inverse of an affine."""
    (a, b, c), (d, e, f) = matrix.tolist()
    area = a * e - b * d
    top = (e / area, -b / area, (b * f - c * e) / area)
    bottom = (-d / area, a / area, (c * d - a * f) / area)
    return np.array((top, bottom))


def rotation(angle: float, pivot_xy: tuple[float, float], scale: float = 1.0) -> Matrix:
    """Returns the turn by `angle` radians about a pivot, enlarged by `scale`."""
    cos, sin = math.cos(angle) * scale, math.sin(angle) * scale
    x, y = pivot_xy
    return np.array(((cos, -sin, x - cos * x + sin * y), (sin, cos, y - sin * x - cos * y)))
