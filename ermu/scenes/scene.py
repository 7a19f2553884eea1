"""A scene: a clip drawn frame by frame from its configuration, any frame on its own, in constant memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ermu.scenes.actors import CHANGE_FRAMES, Actor, draw_pose
from ermu.scenes.backdrop import show_backdrop
from ermu.scenes.config import SceneConfig
from ermu.scenes.motion import Absence
from ermu.scenes.styles import STYLES

Image = NDArray[np.uint8]

_BACKDROP, _CAMERA, _LENS, _CAST, _PLACES = range(1, 6)
_SCHEDULE = 7
_ATTEMPTS = 12
_FIRST_VISIBLE = 0.006  # of the frame's pixels, wanted of every object in frame 0


class Scene:
    """A clip with exact labels.

    Frames are pure functions of the configuration and the frame number: `scene[t]` costs the same for every t
    and gives the same bytes in every process.

    Args:
        config: What to show.

    Raises:
        DependencyError: The configuration asks for photographs and their packages are missing.

    Example:
        >>> for frame, label in Scene(SceneConfig(seed=1, frames=300)):
        ...     pass
    """

    def __init__(self, config: SceneConfig) -> None:
        self.config = config
        style = STYLES[config.style]
        self._backdrop = style.backdrop(config, config.stream(_BACKDROP))
        self._camera = style.camera(config, config.stream(_CAMERA))
        self._lens = style.lens(config, config.stream(_LENS))
        self._actors = self._placed(style.cast(config, config.stream(_CAST)))

    def with_objects_of(self, other: Scene) -> Scene:
        """This clip with another's objects in place of its own, by id: they look so, and move as here."""
        looks = {actor.ident: actor.parts for actor in other._actors if actor.ident}
        scene = Scene(self.config)
        scene._actors = tuple(replace(a, parts=looks.get(a.ident, a.parts)) for a in self._actors)
        return scene

    @property
    def object_ids(self) -> tuple[int, ...]:
        """The labelled objects' ids, 1..objects."""
        return tuple(range(1, self.config.objects + 1))

    def __len__(self) -> int:
        return self.config.frames

    def __iter__(self) -> Iterator[tuple[Image, Image]]:
        return (self[t] for t in range(len(self)))

    def __getitem__(self, t: int) -> tuple[Image, Image]:
        """Draws frame t.

        Returns:
            The frame, H x W x 3 uint8 BGR, and its label map, H x W uint8: each pixel holds the id of the
            nearest object that covers at least half of it, 0 where that is none or an unlabelled thing.

        Raises:
            IndexError: t is not in -frames..frames - 1.
        """
        if not -len(self) <= t < len(self):
            raise IndexError(f"frame {t} of a scene of {len(self)}")
        t %= len(self)
        shutter = self._lens.shutter if self.config.effects else 0.0
        camera = (self._camera.at(t), self._camera.at(t + 1))
        frame = show_backdrop(self._backdrop, camera, self.config.size_hw, shutter)
        label = np.zeros(self.config.size_hw, np.uint8)
        for actor in self._actors:
            near = (self._camera.at(t, actor.parallax), self._camera.at(t + 1, actor.parallax))
            actor.paint(frame, label, t, near, shutter)
        if self.config.effects:
            frame = self._lens.apply(frame, t)
        return frame, label

    def _placed(self, cast: list[Actor]) -> tuple[Actor, ...]:
        """Places the cast so that every object shows in frame 0; of several tries the best is kept."""
        rng = self.config.stream(_PLACES)
        best, best_share = cast, -1.0
        for _ in range(_ATTEMPTS):
            placed = self._tried(cast, rng)
            share = self._least_visible(placed)
            if share > best_share:
                best, best_share = placed, share
            if best_share >= _FIRST_VISIBLE:
                break
        return tuple(self._scheduled(actor) for actor in best)

    def _tried(self, cast: list[Actor], rng: np.random.Generator) -> list[Actor]:
        """Gives every actor a starting point far from the others' and a speed."""
        height, width = self.config.size_hw
        side = min(height, width)
        taken: list[NDArray[np.float64]] = []
        placed = []
        for actor in cast:
            points = rng.uniform(0.12, 0.88, (4, 2)) * (width, height)
            free = [min((float(np.hypot(*(p - q))) for q in taken), default=0.0) for p in points]
            point = points[int(np.argmax(free))]
            taken.append(point)
            radius = float(np.exp(actor.pose.log_scale.at(0)))
            speed = self.config.motion * side * np.exp(rng.uniform(np.log(0.001), np.log(0.035)))
            pose = draw_pose(self.config, rng, (float(point[0]), float(point[1])), radius, float(speed))
            angle = replace(pose.angle, reach=pose.angle.reach * actor.turning)
            placed.append(replace(actor, pose=replace(pose, angle=angle)))
        return placed

    def _least_visible(self, actors: list[Actor]) -> float:
        """Returns the smallest share of the frame that any object covers in frame 0."""
        frame = np.zeros((*self.config.size_hw, 3), np.uint8)
        label = np.zeros(self.config.size_hw, np.uint8)
        rest = self._camera.at(0)
        for actor in actors:
            actor.paint(frame, label, 0, (rest, rest), 0.0)
        counts = np.bincount(label.ravel(), minlength=self.config.objects + 1)[1:]
        return float(counts.min() / label.size) if self.config.objects else 1.0

    def _scheduled(self, actor: Actor) -> Actor:
        """Adds absences and changes of look to the objects that the configuration asks them of."""
        if actor.ident == 0:
            return actor
        rng = self.config.stream(_SCHEDULE, actor.ident)
        frames = self.config.frames
        if self.config.leave_and_return and actor.ident % 2 == 1:
            actor = replace(actor, pose=replace(actor.pose, absences=self._absences(rng)))
        if self.config.appearance_change and actor.ident % 2 == 0:
            first = rng.uniform(0.2, 0.4) * frames
            second = max(first + CHANGE_FRAMES, rng.uniform(0.6, 0.8) * frames)
            actor = replace(actor, changes=(float(first), float(second)))
        return actor

    def _absences(self, rng: np.random.Generator) -> tuple[Absence, ...]:
        """Draws one absence, two in clips of 200 frames and more; the last tenth of a clip has none."""
        frames = self.config.frames
        spans = [(0.15, 0.45), (0.55, 0.88)] if frames >= 200 else [(0.25, 0.85)]
        reach = 2.0 * float(np.hypot(*self.config.size_hw))
        absences = []
        for low, high in spans:
            ramp = min(45.0, 0.3 * (high - low) * frames)
            leaves = (low + rng.uniform(0, 0.1) * (high - low)) * frames
            returns = (high - rng.uniform(0, 0.1) * (high - low)) * frames - ramp
            direction = rng.choice([0.0, np.pi]) + rng.normal(0, 0.3)
            shift = (float(reach * np.cos(direction)), float(reach * np.sin(direction)))
            absences.append(Absence(float(leaves), float(returns), ramp, shift))
        return tuple(absences)
