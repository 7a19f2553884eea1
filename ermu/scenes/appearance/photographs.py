"""Photographs that scikit-image ships in its wheel, read without importing it, and two of our own folder."""

from __future__ import annotations

import importlib.util
from functools import cache
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from ermu.errors import DependencyError
from ermu.scenes.config import Split

_OWN = Path(__file__).parent / "photos"  # its README names authors and licence
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
        ("ermu", "flower.jpg"),
    ),
    "validation": (
        ("skimage", "coffee.png"),
        ("skimage", "camera.png"),
        ("skimage", "gravel.png"),
        ("skimage", "text.png"),
        ("ermu", "china.jpg"),
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
        DependencyError: scikit-image is not installed, or no longer ships it.
    """
    package, name = _PHOTOGRAPHS[split][index]
    path = _OWN / name if package == "ermu" else _shipped(name)
    data = np.frombuffer(path.read_bytes(), np.uint8) if path is not None and path.is_file() else None
    image = None if data is None else cv2.imdecode(data, cv2.IMREAD_COLOR)
    if image is None:
        raise DependencyError("scikit-image", f"A scene with photographs ({name})", "scenes")
    scale = 640 / max(image.shape[:2])
    if scale < 1:
        image = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    pixels = np.ascontiguousarray(image, np.uint8)
    pixels.flags.writeable = False
    return pixels


def _shipped(name: str) -> Path | None:
    """Where scikit-image has a file of its data; None where it is not installed."""
    spec = importlib.util.find_spec("skimage")
    locations = spec.submodule_search_locations if spec else None
    return Path(locations[0]) / "data" / name if locations else None
