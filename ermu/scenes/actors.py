"""Actors: the things that move in a scene, single sprites or jointed figures, labelled or not."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from ermu.scenes.appearance.surfaces import draw_surface
from ermu.scenes.config import SceneConfig
from ermu.scenes.motion import STILL, Matrix, Pose, Wander, compose, draw_wander, rotation, smoothstep
from ermu.scenes.shapes import capsule, disc, draw_shape
from ermu.scenes.sprite import Ripple, Sprite, paint

Image = NDArray[np.uint8]

CHANGE_FRAMES = 20.0
SURFACE = 6  # stream key of surfaces
_LIMBS = (
    (-0.14, 0.3, 0.1),
    (0.14, 0.3, -0.1),
    (-0.3, -0.3, 0.5),
    (0.3, -0.3, -0.5),
)  # joint x, y, angle at rest


@dataclass(frozen=True)
class Part:
    """One sprite of an actor.

    Attributes:
        sprite: What it looks like.
        place: 2 x 3, from the sprite's coordinates to the actor's.
        pivot_xy: Joint in the actor's coordinates.
        swing: Angle about the joint in radians.
    """

    sprite: Sprite
    place: Matrix
    pivot_xy: tuple[float, float] = (0.0, 0.0)
    swing: Wander = STILL

    def at(self, t: float) -> Matrix:
        """Returns the 2 x 3 matrix from the sprite's coordinates to the actor's in frame t."""
        return compose(rotation(self.swing.at(t), self.pivot_xy), self.place)


@dataclass(frozen=True)
class Actor:
    """A thing with a motion of its own.

    Attributes:
        ident: Object id, 0 for one without a label.
        parts: Painted in this order.
        pose: World position, in pixels of the frame while the camera rests.
        ripple: Elastic motion, or None.
        parallax: How much of the camera's motion it takes part in; 1 is the background's distance.
        changes: Frames at which the surface starts to change, to and fro, within CHANGE_FRAMES.
        turning: Factor on the angles by which it turns.
    """

    ident: int
    parts: tuple[Part, ...]
    pose: Pose
    ripple: Ripple | None = None
    parallax: float = 1.0
    changes: tuple[float, ...] = ()
    turning: float = 1.0

    def share_changed(self, t: float) -> float:
        """Returns how far (0..1) the surface has changed in frame t."""
        share = 0.0
        for i, start in enumerate(self.changes):
            step = smoothstep((t - start) / CHANGE_FRAMES)
            share += -step if i % 2 else step
        return share

    def paint(
        self, frame: Image, label: Image, t: float, camera: tuple[Matrix, Matrix], shutter: float
    ) -> None:
        """Paints the actor as in frame t.

        Args:
            frame: H x W x 3 uint8, BGR, changed in place.
            label: H x W uint8, changed in place.
            t: Frame number.
            camera: World-to-frame matrices at t and at t + 1.
            shutter: Share of the frame period that the shutter is open, 0 for no motion blur.
        """
        to_frame = compose(camera[0], self.pose.at(t))
        share = self.share_changed(t)
        blur = (0.0, 0.0)
        if shutter > 0:
            dx, dy = (compose(camera[1], self.pose.at(t + 1))[:, 2] - to_frame[:, 2]).tolist()
            blur = (dx * shutter, dy * shutter)
        for part in self.parts:
            paint(
                frame, label, part.sprite.look(share), compose(to_frame, part.at(t)),
                ident=self.ident, ripple=self.ripple, t=t, blur_xy=blur,
            )  # fmt: skip


def shaded(surface: Image, mask: Image, rng: np.random.Generator) -> Image:
    """Rounds a flat surface off towards its outline, lights it from one side, sometimes draws a contour."""
    side = mask.shape[0]
    depth = cv2.distanceTransform((mask > 127).astype(np.uint8), cv2.DIST_L2, 3)
    reach = max(float(depth.max()) * rng.uniform(0.3, 1.0), 1.0)
    rounding = rng.uniform(0, 0.5)
    light = 1 - rounding * np.square(np.clip(1 - depth / reach, 0, 1))
    axis = np.linspace(-1, 1, side, dtype=np.float32)
    angle, slope = rng.uniform(0, 2 * np.pi), rng.uniform(0, 0.3)
    slope_x, slope_y = np.float32(slope * np.cos(angle)), np.float32(slope * np.sin(angle))
    light += slope_x * axis[None, :] + slope_y * axis[:, None]
    if rng.uniform() < 0.25:
        width = rng.uniform(1.5, 5)
        light *= np.where(depth < width, np.float32(rng.choice([0.35, 1.6])), np.float32(1))
    field = cv2.cvtColor(light.astype(np.float32), cv2.COLOR_GRAY2BGR)
    return np.asarray(cv2.multiply(surface, field, dtype=cv2.CV_8U), np.uint8)


def _decorated(config: SceneConfig, rng: np.random.Generator, surface: Image) -> Image:
    """Lays up to three patches of other surfaces over a surface, as prints, pockets or faces are."""
    side = surface.shape[0]
    for _ in range(int(rng.choice([0, 0, 1, 1, 2, 3]))):
        size = max(int(side * rng.uniform(0.2, 0.5)), 8)
        left, top = rng.integers(0, max(side - size, 1), 2).tolist()
        mask = draw_shape(rng, size).astype(np.float32) / 255
        patch = draw_surface(config, rng, (size, size), 0.7)
        target = surface[top : top + size, left : left + size]
        target[:] = cv2.blendLinear(patch, np.ascontiguousarray(target), mask, 1 - mask)
    return surface


def draw_sprite(config: SceneConfig, key: tuple[int, ...], mask: Image, *, changes: bool = False) -> Sprite:
    """Draws a sprite: a surface, its patches and its shading under a coverage mask.

    Args:
        config: The scene.
        key: Stream of the surface; equal keys give equal surfaces.
        mask: S x S uint8 coverage.
        changes: Draw a second surface for later.
    """
    looks = []
    for look in range(2 if changes else 1):
        rng = config.stream(*key, look)
        surface = _decorated(config, rng, draw_surface(config, rng, mask.shape))
        looks.append(np.dstack([shaded(surface, mask, rng), mask]))
    return Sprite(looks[0], looks[1] if changes else None)


def draw_ripple(rng: np.random.Generator, motion: float) -> Ripple:
    """Draws an elastic motion, from hardly seen to strongly bending."""
    directions, pushes = rng.uniform(0, 2 * np.pi, (2, 2))
    lengths = rng.uniform(1.0, 3.5, 2)
    waves = np.column_stack(
        [np.cos(directions) * lengths, np.sin(directions) * lengths, np.cos(pushes), np.sin(pushes),
         rng.uniform(0, 2 * np.pi, 2)]
    )  # fmt: skip
    return Ripple(float(rng.uniform(0.02, 0.09)), waves, motion * rng.uniform(-0.25, 0.25, 2))


def single(
    config: SceneConfig, key: tuple[int, ...], rng: np.random.Generator, side: int, changes: bool
) -> tuple[Part, ...]:
    """Draws the one part of a simple actor on a side x side canvas."""
    sprite = draw_sprite(config, key, draw_shape(rng, side), changes=changes)
    return (Part(sprite, np.array([[1.0, 0, 0], [0, 1.0, 0]])),)


def figure(
    config: SceneConfig, key: tuple[int, ...], rng: np.random.Generator, side: int, changes: bool
) -> tuple[Part, ...]:
    """Draws the parts of a jointed figure: legs, arms, body and head, limbs swinging from their joints."""
    limb = draw_sprite(config, (*key, 1), capsule(max(side // 2, 16), 0.36), changes=changes)
    body = draw_sprite(config, (*key, 2), capsule(max(side // 2, 16), rng.uniform(0.5, 0.8)), changes=changes)
    head = draw_sprite(config, (*key, 3), disc(max(side // 3, 16)), changes=changes)
    rate, reach = config.motion * rng.uniform(0.1, 0.35), rng.uniform(0.15, 0.5)
    wide, long = rng.uniform(0.4, 0.55), rng.uniform(0.45, 0.6)
    parts = []
    for i, (x, y, rest) in enumerate(_LIMBS):
        swing = Wander(rest + reach * np.sin(i * 2.0), rest, reach, rate if i % 2 else -rate)
        place = np.array([[long, 0, x], [0, long, y + 0.8 * long]])
        parts.append(Part(limb, place, (x, y), swing))
    parts.append(Part(body, np.array([[wide, 0, 0], [0, 0.52, 0]])))
    nod = Wander(0, 0, 0.25, rate / 2)
    parts.append(Part(head, np.array([[0.27, 0, 0], [0, 0.3, -0.68]]), (0, -0.45), nod))
    return tuple(parts)


def draw_pose(
    config: SceneConfig, rng: np.random.Generator, at_xy: tuple[float, float], radius: float, speed: float
) -> Pose:
    """Draws a motion that starts at a point, wanders about the frame and stays mostly inside it.

    Args:
        config: The scene.
        rng: Stream to draw from.
        at_xy: Position in frame 0, in pixels.
        radius: Size in pixels.
        speed: Drift in pixels a frame.
    """
    height, width = config.size_hw
    direction = rng.uniform(0, 2 * np.pi)
    speeds = (abs(np.cos(direction)) * speed, abs(np.sin(direction)) * speed)
    axes = [
        draw_wander(rng, start, length / 2, max(length / 2 - 0.2 * radius, abs(start - length / 2) + 1), pace)
        for start, length, pace in zip(at_xy, (width, height), speeds, strict=True)
    ]
    agile = config.motion * float(rng.choice([0.2, 1.0, 1.0, 2.0]))
    angle = draw_wander(rng, 0.0, 0.0, rng.uniform(0.2, 2.5), 0.02 * agile)
    log_scale = float(np.log(radius))
    middle, reach = log_scale + rng.uniform(-0.15, 0.15), rng.uniform(0.16, 0.5)
    grow = draw_wander(rng, log_scale, middle, reach, 0.008 * agile)
    start = rng.uniform(-0.15, 0.15)
    stretch = draw_wander(rng, start, 0.0, 0.25, 0.008 * agile)
    shear = draw_wander(rng, 0.0, 0.0, 0.25, 0.01 * agile)
    return Pose(axes[0], axes[1], angle, grow, stretch, shear)


def draw_idents(
    config: SceneConfig, rng: np.random.Generator, *, distractors: int
) -> tuple[list[int], list[int]]:
    """Draws whom a scene has, from far to near: objects by id among things without one, then occluders.

    Args:
        config: The scene.
        rng: Stream of the cast.
        distractors: At most, where the scene does not say how many.

    Returns:
        Ids of objects and distractors, and of occluders; 0 where nobody asks for it.
    """
    others = int(rng.integers(0, distractors + 1)) if config.distractors is None else config.distractors
    occluders = int(rng.choice([0, 0, 1, 2])) if config.occluders is None else config.occluders
    idents = [*range(1, config.objects + 1), *[0] * others]
    rng.shuffle(idents)
    return idents, [0] * occluders


def draw_cast(config: SceneConfig, rng: np.random.Generator) -> list[Actor]:
    """Draws everything about the actors but their places: looks, sizes, order from far to near."""
    idents, occluders = draw_idents(config, rng, distractors=3)
    crowd = max(len(idents), 1)
    side = min(config.size_hw)
    actors: list[Actor] = []
    for number, ident in enumerate([*idents, *occluders]):
        largest = max(0.12, 0.42 - 0.02 * crowd)
        radius = side * np.exp(rng.uniform(np.log(0.10), np.log(largest)))
        radius *= 1.6 if rng.uniform() < 0.12 else 1.0
        twin = number > 0 and rng.uniform() < (0.12 if ident else 0.3)
        key = (SURFACE, number - 1 if twin else number)
        build = figure if rng.uniform() < 0.16 else single
        canvas = int(np.clip(2.2 * radius, 32, 320))
        changes = ident > 0 and config.appearance_change and ident % 2 == 0
        parts = build(config, key, rng, canvas, changes)
        elastic = rng.uniform() < 0.7
        ripple = draw_ripple(rng, config.motion) if elastic else None
        pose = draw_pose(config, rng, (0.0, 0.0), float(radius), 0.0)
        actors.append(Actor(ident, parts, pose, ripple, float(1 + 0.04 * number)))
    return actors
