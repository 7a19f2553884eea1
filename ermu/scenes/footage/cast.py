"""The cast of a footage scene: things cut out of photographs, figures, riders, and copies of them all."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np

from ermu.scenes.actors import SURFACE, Actor, Part, draw_idents, draw_pose, draw_ripple, shaded
from ermu.scenes.config import SceneConfig
from ermu.scenes.footage.figures import carried, runner, swing
from ermu.scenes.footage.surfaces import draw_cut_out, on_canvas, piece, tinted
from ermu.scenes.shapes import disc, draw_shape
from ermu.scenes.sprite import Ripple, Sprite

_WHOLE = np.array([[1.0, 0, 0], [0, 1.0, 0]])
_SHADOW = 100  # below half of 255: a shadow darkens and belongs to nobody


def cut_out(
    config: SceneConfig, key: tuple[int, ...], rng: np.random.Generator, side: int, changes: bool
) -> tuple[Part, ...]:
    """Draws a thing cut out of a photograph on a side x side canvas; equal keys draw the same thing."""
    looks = []
    for look in range(2 if changes else 1):
        stream = config.stream(*key)
        image = on_canvas(draw_cut_out(config, stream), side)
        strength = 0.15 if stream.uniform() < 0.7 else 0.7
        tint = config.stream(*key, look)
        image = tinted(image, tint, strength if look == 0 else 0.9)
        looks.append(np.ascontiguousarray(image[:, ::-1] if stream.uniform() < 0.5 else image))
    return (Part(Sprite(looks[0], looks[1] if changes else None), _WHOLE),)


def rider(
    config: SceneConfig, key: tuple[int, ...], rng: np.random.Generator, side: int, changes: bool
) -> tuple[Part, ...]:
    """Draws a figure on, or partly behind, a thing that carries it."""
    stream = config.stream(*key, 5)
    kind = "vehicles" if stream.uniform() < 0.5 else "animals"
    image = on_canvas(draw_cut_out(config, stream, kind), side)
    below = Part(
        Sprite(image), np.array([[0.75, 0, 0], [0, 0.75, 0.35]]), (0.0, 0.5), swing(0, 0.06, 0.3, 1.0)
    )
    size, shift = stream.uniform(0.45, 0.7), stream.uniform(-0.15, 0.15)
    place = np.array([[size, 0, shift], [0, size, -0.35]])
    above = tuple(carried(part, place) for part in runner(config, key, rng, side, changes))
    return (*above, below) if stream.uniform() < 0.5 else (below, *above)


def shape(
    config: SceneConfig, key: tuple[int, ...], rng: np.random.Generator, side: int, changes: bool
) -> tuple[Part, ...]:
    """Draws an outline filled with a piece of a photograph."""
    mask = draw_shape(rng, side)
    stream = config.stream(*key)
    looks = [
        np.dstack([shaded(piece(config, stream, mask.shape), mask, stream), mask])
        for _ in range(2 if changes else 1)
    ]
    return (Part(Sprite(looks[0], looks[1] if changes else None), _WHOLE),)


def _shadow(side: int) -> Part:
    mask = cv2.GaussianBlur(disc(side), (0, 0), side / 12).astype(np.float32) * (_SHADOW / 255)
    picture = np.zeros((side, side, 4), np.uint8)
    picture[:, :, 3] = mask.astype(np.uint8)
    return Part(Sprite(picture), np.array([[0.9, 0, 0.1], [0, 0.2, 0.85]]))


_BUILDS = (cut_out, runner, rider, shape)
_SHARES = (0.48, 0.24, 0.10, 0.18)


def draw_real_cast(config: SceneConfig, rng: np.random.Generator) -> list[Actor]:
    """Draws the actors as `draw_cast` does: a third of the unlabelled ones are copies of one with a label."""
    idents, occluders = draw_idents(config, rng, distractors=4)
    side = min(config.size_hw)
    largest = max(0.2, 0.6 - 0.045 * max(len(idents), 1))
    actors: list[Actor] = []
    for number, ident in enumerate([*idents, *occluders]):
        radius = side * np.exp(rng.uniform(np.log(0.12), np.log(largest)))
        radius *= 1.6 if rng.uniform() < 0.15 else 1.0
        copied = number > 0 and rng.uniform() < (0.15 if ident else 0.35)
        key = (SURFACE, int(rng.integers(number)) if copied else number)
        build = _BUILDS[int(config.stream(*key, 9).choice(len(_BUILDS), p=_SHARES))]
        canvas = int(np.clip(2.2 * radius, 48, 320))
        changes = ident > 0 and config.appearance_change and ident % 2 == 0
        parts = build(config, key, rng, canvas, changes)
        if rng.uniform() < 0.35:
            parts = (_shadow(64), *parts)
        followed = rng.uniform() < 0.6
        actors.append(
            Actor(
                ident,
                parts,
                draw_pose(config, rng, (0.0, 0.0), float(radius), 0.0),
                _bending(config, rng, 0.5 if build in (runner, rider) else 1.0),
                float(rng.uniform(0, 0.3)) if followed else float(1 + 0.04 * number),
                turning=float(rng.choice([0.1, 0.2, 1.0])),
            )
        )
    return actors


def _bending(config: SceneConfig, rng: np.random.Generator, factor: float) -> Ripple | None:
    """An elastic motion, stronger and of longer waves than drawn things have."""
    if rng.uniform() < 0.3:
        return None
    ripple = draw_ripple(rng, config.motion)
    waves = ripple.waves * (0.7, 0.7, 1, 1, 1)
    return replace(ripple, amplitude=factor * ripple.amplitude * rng.uniform(0.8, 1.8), waves=waves)
