"""Smooth motion as closed formulas of the frame number, so that any frame can be drawn without the ones before."""

from __future__ import annotations

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
        begin = np.arcsin(np.clip((self.start - self.centre) / self.reach, -1, 1))
        turn = self.rate * t + self.sway * (np.sin(self.sway_rate * t + self.phase) - np.sin(self.phase))
        return float(self.centre + self.reach * np.sin(begin + turn))


def draw_wander(
    rng: np.random.Generator, start: float, centre: float, reach: float, speed: float
) -> Wander:
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
        angle, scale = self.angle.at(t), np.exp(self.log_scale.at(t))
        cos, sin = np.cos(angle) * scale, np.sin(angle) * scale
        stretch, shear = np.exp(self.stretch.at(t)), self.shear.at(t)
        turn = np.array([[cos, -sin], [sin, cos]])
        form = np.array([[stretch, shear], [0.0, 1 / stretch]])
        shift = np.array([self.x.at(t), self.y.at(t)])
        for absence in self.absences:
            shift += absence.at(t)
        return np.column_stack([turn @ form, shift])


def compose(outer: Matrix, inner: Matrix) -> Matrix:
    """Returns the affine that applies `inner`, then `outer`."""
    return np.column_stack([outer[:, :2] @ inner[:, :2], outer[:, :2] @ inner[:, 2] + outer[:, 2]])


def invert(matrix: Matrix) -> Matrix:
    """Returns the inverse of an affine."""
    linear = np.linalg.inv(matrix[:, :2])
    return np.column_stack([linear, -linear @ matrix[:, 2]])


def rotation(angle: float, pivot_xy: tuple[float, float]) -> Matrix:
    """Returns the turn by `angle` radians about a pivot."""
    cos, sin = np.cos(angle), np.sin(angle)
    linear = np.array([[cos, -sin], [sin, cos]])
    pivot = np.asarray(pivot_xy)
    return np.column_stack([linear, pivot - linear @ pivot])
