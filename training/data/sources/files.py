"""Pictures and label maps on disk; training reads them itself, for it runs without the runtime."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from ermu.errors import DatasetError

PICTURES = (".jpg", ".jpeg", ".png")


def read_picture(path: Path) -> NDArray[np.uint8]:
    """A picture: H x W x 3, RGB.

    Raises:
        DatasetError: the file is missing or no picture.
    """
    data = np.frombuffer(path.read_bytes(), np.uint8) if path.is_file() else np.zeros(0, np.uint8)
    image = cv2.imdecode(data, cv2.IMREAD_COLOR) if data.size else None
    if image is None:
        raise DatasetError(f"{path} is not a picture that can be read.")
    return np.ascontiguousarray(image[:, :, ::-1]).astype(np.uint8, copy=False)


def read_label(path: Path) -> NDArray[np.uint8]:
    """A label map: H x W ids.

    Raises:
        DatasetError: the file holds colours.
    """
    from PIL import Image

    with Image.open(path) as image:
        if image.mode not in ("P", "L"):
            raise DatasetError(f"{path} has mode {image.mode}.", expected="a palette PNG of ids")
        return np.array(image, dtype=np.uint8)


def visible_files(folder: Path, *suffixes: str) -> list[Path]:
    """A folder's files in order, without what a system keeps beside them, such as ._00000.png."""
    found = folder.iterdir() if folder.is_dir() else ()
    return sorted(p for p in found if p.suffix.lower() in suffixes and not p.name.startswith("."))
