"""Photographs that scikit-image and scikit-learn ship in their wheels, read without importing either."""

from __future__ import annotations

import importlib.util
from functools import cache
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from ermu.errors import DependencyError
from ermu.scenes.config import Split

_FOLDERS = {"skimage": ("scikit-image", "data"), "sklearn": ("scikit-learn", "datasets/images")}
_PHOTOGRAPHS: dict[Split, tuple[tuple[str, str], ...]] = {
    "train": (
        ("skimage", "astronaut.png"),
        ("skimage", "chelsea.png"),
        ("skimage", "rocket.jpg"),
        ("skimage", "hubble_deep_field.jpg"),
        ("skimage", "ihc.png"),
        ("skimage", "retina.jpg"),
        ("skimage", "motorcycle_left.png"),
        ("skimage", "brick.png"),
        ("skimage", "grass.png"),
        ("skimage", "coins.png"),
        ("skimage", "clock_motion.png"),
        ("sklearn", "flower.jpg"),
    ),
    "validation": (
        ("skimage", "coffee.png"),
        ("skimage", "camera.png"),
        ("skimage", "gravel.png"),
        ("skimage", "text.png"),
        ("sklearn", "china.jpg"),
    ),
}


def photograph_count(split: Split) -> int:
    """Returns how many photographs a split has; the two splits share none."""
    return len(_PHOTOGRAPHS[split])


@cache
def photograph(split: Split, index: int) -> NDArray[np.uint8]:
    """Reads one photograph of a split.

    Args:
        split: 'train' or 'validation'.
        index: 0 to `photograph_count(split)` - 1.

    Returns:
        H x W x 3 uint8, BGR, read-only, at most 640 pixels a side, kept for the process's life.

    Raises:
        DependencyError: The package that ships it is not installed, or no longer ships it.
    """
    module, name = _PHOTOGRAPHS[split][index]
    package, folder = _FOLDERS[module]
    spec = importlib.util.find_spec(module)
    locations = spec.submodule_search_locations if spec else None
    path = Path(locations[0]) / folder / name if locations else None
    data = np.frombuffer(path.read_bytes(), np.uint8) if path is not None and path.is_file() else None
    image = None if data is None else cv2.imdecode(data, cv2.IMREAD_COLOR)
    if image is None:
        raise DependencyError(package, f"A scene with photographs ({name})", "scenes")
    scale = 640 / max(image.shape[:2])
    if scale < 1:
        image = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    pixels = np.ascontiguousarray(image, np.uint8)
    pixels.flags.writeable = False
    return pixels
