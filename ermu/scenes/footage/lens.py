"""A lens whose pictures are compressed, as those of every camera are."""

from __future__ import annotations

from dataclasses import dataclass, fields

import cv2
import numpy as np
from numpy.typing import NDArray

from ermu.scenes.camera import Lens, draw_lens
from ermu.scenes.config import SceneConfig

Image = NDArray[np.uint8]


@dataclass(frozen=True)
class CompressedLens(Lens):
    """A lens and a JPEG encoder.

    Attributes:
        quality: Of the encoder, 1..100.
    """

    quality: int

    def apply(self, frame: Image, t: int) -> Image:
        """See `Lens.apply`."""
        seen = super().apply(frame, t)
        _, data = cv2.imencode(".jpg", seen, [cv2.IMWRITE_JPEG_QUALITY, self.quality])
        return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)


def draw_compressed(config: SceneConfig, rng: np.random.Generator) -> Lens:
    """Draws light and sensor as for drawn scenes, and an encoder from poor to good."""
    lens = draw_lens(config, rng)
    kept = {field.name: getattr(lens, field.name) for field in fields(lens)}
    return CompressedLens(**kept, quality=int(rng.integers(25, 96)))
