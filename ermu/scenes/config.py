"""The description of a procedural clip: everything that, with its seed, decides every byte of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from ermu.errors import DatasetError

Textures = Literal["generated", "photographs", "mixed"]
Style = Literal["drawn", "footage"]
Split = Literal["train", "validation"]

MAX_OBJECTS = 60
_SPLIT_KEYS = {"train": 0x7261, "validation": 0x7661}
_STYLES = ("drawn", "footage")
_TEXTURES = ("generated", "photographs", "mixed")


@dataclass(frozen=True)
class SceneConfig:
    """What a clip shows; equal configurations give equal bytes.

    Attributes:
        seed: Any non-negative integer. The two splits draw from disjoint streams, whatever the seeds.
        size_hw: Height and width of the frames in pixels, each at least 32.
        frames: Number of frames.
        objects: Number of labelled objects, ids 1..objects; all are visible in frame 0.
        textures: 'generated' needs nothing else; 'photographs' and 'mixed' also cut surfaces from the
            photographs that scikit-image and scikit-learn ship (extra `scenes`).
        split: 'train' or 'validation': disjoint seeds, generated textures and photographs.
        motion: Factor on every speed; 1 is everyday video at 10 to 30 frames a second, 0 stands still.
        distractors: Unlabelled moving things between the objects; None draws 0 to 3.
        occluders: Unlabelled things in front of the objects; None draws 0 to 2.
        leave_and_return: Every second object leaves the frame for a while and comes back.
        appearance_change: Every second object (the others, where both are set) changes its surface.
        effects: Lighting changes, motion blur, lens blur and sensor noise; False leaves plain colours.
        style: 'drawn' is made of shapes and textures; 'footage' of photographs and of things cut out of them,
            which `ermu.scenes.footage` finds, with figures that run and a camera held by hand.
    """

    seed: int
    size_hw: tuple[int, int] = (240, 416)
    frames: int = 60
    objects: int = 4
    textures: Textures = "generated"
    split: Split = "train"
    motion: float = 1.0
    distractors: int | None = None
    occluders: int | None = None
    leave_and_return: bool = False
    appearance_change: bool = False
    effects: bool = True
    style: Style = "drawn"

    def __post_init__(self) -> None:
        checks = (
            (self.seed >= 0, f"seed {self.seed}", "a non-negative integer"),
            (min(self.size_hw) >= 32, f"size_hw {self.size_hw}", "at least 32 pixels a side"),
            (self.frames >= 1, f"frames {self.frames}", "at least 1"),
            (0 <= self.objects <= MAX_OBJECTS, f"objects {self.objects}", f"0 to {MAX_OBJECTS}"),
            (self.textures in _TEXTURES, f"textures {self.textures!r}", " | ".join(_TEXTURES)),
            (self.split in _SPLIT_KEYS, f"split {self.split!r}", " | ".join(_SPLIT_KEYS)),
            (self.style in _STYLES, f"style {self.style!r}", " | ".join(_STYLES)),
            (self.motion >= 0, f"motion {self.motion}", "zero or more"),
        )
        for holds, found, expected in checks:
            if not holds:
                raise DatasetError(f"A scene cannot be drawn with {found}.", expected=expected)

    def stream(self, *key: int) -> np.random.Generator:
        """Returns the PCG64 stream of one purpose, independent of every other key, seed and split."""
        entropy = np.random.SeedSequence([_SPLIT_KEYS[self.split], self.seed, *key])
        return np.random.Generator(np.random.PCG64(entropy))
