"""The styles of scenes by name: who draws backdrop, camera, lens and cast."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ermu.scenes.actors import Actor, draw_cast
from ermu.scenes.backdrop import draw_backdrop
from ermu.scenes.camera import Camera, Lens, draw_camera, draw_lens
from ermu.scenes.config import SceneConfig
from ermu.scenes.footage.backdrop import draw_place
from ermu.scenes.footage.camera import draw_hand_held
from ermu.scenes.footage.cast import draw_real_cast
from ermu.scenes.footage.lens import draw_compressed

Stream = np.random.Generator


@dataclass(frozen=True)
class Style:
    """What a scene is made of; each part is drawn from a configuration and a stream of its own.

    Attributes:
        backdrop: A picture larger than the frame, H x W x 3 uint8, BGR.
        camera: The camera's motion.
        lens: Light, exposure, blur, noise.
        cast: Actors from far to near, not yet placed.
    """

    backdrop: Callable[[SceneConfig, Stream], NDArray[np.uint8]]
    camera: Callable[[SceneConfig, Stream], Camera]
    lens: Callable[[SceneConfig, Stream], Lens]
    cast: Callable[[SceneConfig, Stream], list[Actor]]


STYLES: Mapping[str, Style] = {
    "drawn": Style(draw_backdrop, draw_camera, draw_lens, draw_cast),
    "footage": Style(draw_place, draw_hand_held, draw_compressed, draw_real_cast),
}
