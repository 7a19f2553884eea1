"""A small tree of files that lie where the packages of photographs put theirs."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from ermu.scenes.footage.packages import CUT_OUTS, PHOTOGRAPHS, VARIABLE

COPIES = 16


def picture(seed: int, channels: int = 3, side: int = 80) -> np.ndarray:
    """A picture of coarse noise; with coverage, a disc at its upper left and black beyond."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(40, 255, (8, 8, 3), np.uint8)
    image = cv2.resize(coarse, (side * 3 // 2, side), interpolation=cv2.INTER_CUBIC)
    if channels == 3:
        return image
    mask = cv2.circle(np.zeros(image.shape[:2], np.uint8), (30, 40), 25, 255, -1)
    return np.dstack([image * (mask[:, :, None] > 0), mask])


def encoded(suffix: str, image: np.ndarray) -> bytes:
    """The bytes of a picture's file."""
    return cv2.imencode(suffix, image)[1].tobytes()


def container(images: list[np.ndarray]) -> bytes:
    """WebP pictures between other bytes, as Qt's containers have them."""
    return b"qres" + b"".join(b"RIFFnothing" + encoded(".webp", image) for image in images) + b"\0end"


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A root with files for every pattern; scenes look for photographs there."""
    for package in (*PHOTOGRAPHS, *CUT_OUTS.values()):
        for pattern in package.patterns:
            for number in range(COPIES if "*" in pattern else 1):
                name = pattern.replace("**/*", f"deep/{number}").replace("*", f"{number}")
                path = tmp_path / name
                path.parent.mkdir(parents=True, exist_ok=True)
                if path.suffix == ".rcc":
                    path.write_bytes(container([picture(i) for i in range(4)]))
                else:
                    stamp = "stamps" in name
                    path.write_bytes(encoded(path.suffix, picture(number, 4 if stamp else 3)))
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    return tmp_path
