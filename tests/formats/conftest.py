"""A clip whose label maps are known: a disk with a hole that moves, two rectangles that come and go."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest

from ermu.runtime.images.labels import write_label_map
from ermu.types import LabelMap

HW = (37, 53)
CATEGORIES = {1: "car", 3: "car", 7: "pedestrian"}


@dataclass(frozen=True)
class Drawn:
    """Label maps in memory and on disk.

    Attributes:
        maps: By frame name.
        labels: Their folder.
        images: The frames' folder.
    """

    maps: Mapping[str, LabelMap]
    labels: Path
    images: Path


def label_map(frame: int) -> LabelMap:
    label = np.zeros(HW, np.uint8)
    cv2.ellipse(label, (15 + 2 * frame, 18), (9, 12), 20, 0, 360, (1,), -1)
    cv2.circle(label, (15 + 2 * frame, 18), 3, (0,), -1)
    if frame != 1:
        label[5 : 14 + frame, 35:46] = 3
    if frame > 1:
        label[25:37, 40:53] = 7  # up to the corner
    return label


@pytest.fixture
def drawn(tmp_path: Path) -> Drawn:
    labels, images = tmp_path / "yard" / "labels", tmp_path / "frames" / "yard"
    labels.mkdir(parents=True)
    images.mkdir(parents=True)
    maps = {f"{frame:06d}": label_map(frame) for frame in range(4)}
    for number, (name, label) in enumerate(maps.items()):
        write_label_map(labels / f"{name}.png", label)
        noise = np.random.default_rng(number).integers(0, 256, (*HW, 3), np.uint8)
        cv2.imwrite(str(images / f"{name}.jpg"), noise)
    return Drawn(maps, labels, images)
