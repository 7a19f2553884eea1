"""Small datasets on disk whose scores can be worked out by hand."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from ermu.runtime.images.labels import write_label_map

HW = (48, 64)


def write_frames(folder: Path, names: list[str]) -> None:
    """Writes one textured picture under all the names: nothing moves."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(4)
    picture = cv2.resize(rng.integers(0, 255, (12, 16, 3), np.uint8), HW[::-1], interpolation=cv2.INTER_CUBIC)
    for name in names:
        cv2.imwrite(str(folder / f"{name}.jpg"), picture)


def bars(widths: tuple[int, int], *, ignore: int = 0) -> np.ndarray:
    """Object 1 in the first columns of the upper half, object 2 in those of the lower; last ones ignored."""
    label = np.zeros(HW, np.uint8)
    label[:24, : widths[0]] = 1
    label[24:, : widths[1]] = 2
    if ignore:
        label[:, -ignore:] = 255
    return label


def write_labels(folder: Path, labels: dict[str, np.ndarray]) -> None:
    folder.mkdir(parents=True)
    for name, label in labels.items():
        write_label_map(folder / f"{name}.png", label)


# Widths of the two bars in the five annotated frames; the prompt, held for ever, has 8 and 16 columns.
WIDTHS = {
    "walk": ((8, 16), (8, 20), (10, 32), (16, 16), (40, 40)),
    "stay": ((8, 16), (8, 16), (8, 16), (8, 0), (8, 16)),
}


def vost(root: Path) -> Path:
    """A VOST folder: nine frames at 10 fps, five annotated at 5 fps with 4 ignored columns, two splits."""
    for name, widths in WIDTHS.items():
        frames = [f"frame{i:05d}" for i in range(0, 54, 6)]
        write_frames(root / "JPEGImages_10fps" / name, frames)
        labels = {frames[2 * i]: bars(pair, ignore=4) for i, pair in enumerate(widths)}
        write_labels(root / "Annotations" / name, labels)
    lists = root / "ImageSets"
    lists.mkdir()
    (lists / "val.txt").write_text("walk\nstay\n")
    (lists / "train.txt").write_text("stay\n")
    return root
