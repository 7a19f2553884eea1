"""Figures that walk and run: two pieces a limb, cloth and skin, arms against legs."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ermu.scenes.actors import Part, shaded
from ermu.scenes.config import SceneConfig
from ermu.scenes.footage.surfaces import cloth
from ermu.scenes.motion import STILL, Matrix, Wander, compose, rotation
from ermu.scenes.shapes import capsule, disc
from ermu.scenes.sprite import Sprite

Joint = tuple[float, float]

_HIP, _SHOULDER, _NECK = 0.06, 0.15, (0.0, -0.58)
_THIGH, _SHIN, _UPPER_ARM, _FOREARM = 0.46, 0.46, 0.34, 0.32


@dataclass(frozen=True)
class Swing(Wander):
    """An angle that swings for ever: centre + reach * sin(rate * t + phase)."""

    def at(self, t: float) -> float:
        """Returns the angle at frame t in radians."""
        return self.centre + self.reach * math.sin(self.rate * t + self.phase)


@dataclass(frozen=True)
class Segment(Part):
    """The lower piece of a limb, carried by the upper one.

    Attributes:
        upper_xy: Joint of the upper piece in the actor's coordinates.
        upper: Angle about it in radians.
    """

    upper_xy: Joint = (0.0, 0.0)
    upper: Wander = STILL

    def at(self, t: float) -> Matrix:
        """See `Part.at`."""
        return compose(rotation(self.upper.at(t), self.upper_xy), super().at(t))


@dataclass(frozen=True)
class Gait:
    """How a limb moves.

    Attributes:
        stride: Greatest angle of the upper piece in radians.
        bend: Mean bend of the lower one in radians; the other way where negative.
        rate: Radians a frame.
        phase: At frame 0, in radians.
    """

    stride: float
    bend: float
    rate: float
    phase: float


def swing(centre: float, reach: float, rate: float, phase: float) -> Swing:
    """A swing about a centre; radians, and radians a frame."""
    return Swing(centre, centre, reach, rate, phase=phase)


def _hanging(joint: Joint, length: float, width: float) -> Matrix:
    """The place of a rod that hangs from a joint: unit coordinates of its canvas to the actor's."""
    half = length / 2
    return np.array([[width / 2 / 0.36, 0, joint[0]], [0, half * 1.16, joint[1] + half]])


def runner(
    config: SceneConfig, key: tuple[int, ...], rng: np.random.Generator, side: int, changes: bool
) -> tuple[Part, ...]:
    """Draws the parts of a running figure, far limbs first.

    Args:
        config: The scene.
        key: Stream of its clothes; equal keys dress alike.
        rng: Stream of build and gait.
        side: Of the figure's canvas in pixels.
        changes: Unused: nobody changes clothes while running.
    """
    dress = config.stream(*key)
    pixels = max(side // 2, 24)
    shirt, trousers, skin, hair = (
        Sprite(_rod(config, dress, pixels, bare=bare)) for bare in (False, False, True, False)
    )
    sleeve = shirt if dress.uniform() < 0.5 else skin
    leg = trousers if dress.uniform() < 0.75 else skin
    rate = config.motion * 2 * np.pi / rng.uniform(8, 30)
    stride, bend, lean = rng.uniform(0.25, 0.95), rng.uniform(0.2, 0.9), rng.uniform(-0.25, 0.25)
    stout = rng.uniform(0.75, 1.4)
    parts: list[Part] = []
    nod = swing(lean, 0.08, rate, 0.3)
    for way, phase in ((-1, np.pi), (1, 0.0)):
        arm = Gait(stride * 0.9, -1.1 * bend, rate, phase + np.pi)
        shoulder, hip = (way * _SHOULDER, _NECK[1] + 0.08), (way * _HIP, 0.06)
        parts += _limb(shoulder, (_UPPER_ARM, _FOREARM), 0.11 * stout, (sleeve, skin), arm)
        parts += _limb(hip, (_THIGH, _SHIN), 0.16 * stout, (trousers, leg), Gait(stride, bend, rate, phase))
        if way < 0:
            body = np.array([[0.22 * stout / 0.5, 0, 0], [0, 0.42, -0.24]])
            parts.append(Part(shirt, body, (0.0, 0.08), nod))
    head = Sprite(_rod(config, dress, pixels, bare=True, round_=True))
    parts.append(Segment(hair, np.array([[0.33, 0, 0.0], [0, 0.17, -0.82]]), _NECK, STILL, (0.0, 0.08), nod))
    parts.append(Segment(head, np.array([[0.15, 0, 0.02], [0, 0.18, -0.75]]), _NECK, STILL, (0.0, 0.08), nod))
    return tuple(parts)


def _limb(
    joint: Joint, lengths: tuple[float, float], width: float, looks: tuple[Sprite, Sprite], gait: Gait
) -> list[Part]:
    """The lower and the upper piece of an arm or leg that hangs from a joint."""
    upper = swing(0.0, gait.stride, gait.rate, gait.phase)
    lower = swing(gait.bend, gait.bend, gait.rate, gait.phase + np.pi / 2)
    middle = (joint[0], joint[1] + lengths[0])
    return [
        Segment(looks[1], _hanging(middle, lengths[1], width * 0.8), middle, lower, joint, upper),
        Part(looks[0], _hanging(joint, lengths[0], width), joint, upper),
    ]


def _rod(
    config: SceneConfig, rng: np.random.Generator, side: int, *, bare: bool, round_: bool = False
) -> NDArray[np.uint8]:
    mask = disc(side) if round_ else capsule(side, 0.36)
    return np.dstack([shaded(cloth(config, rng, side, bare), mask, rng), mask])


def carried(part: Part, place: Matrix) -> Part:
    """A part with its joints on another place: scaled, alike in both directions, and shifted."""

    def moved(joint: Joint) -> Joint:
        x, y = (place @ (*joint, 1)).tolist()
        return x, y

    changed = replace(part, place=compose(place, part.place), pivot_xy=moved(part.pivot_xy))
    return replace(changed, upper_xy=moved(changed.upper_xy)) if isinstance(changed, Segment) else changed
