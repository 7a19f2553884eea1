"""Small data sets in the published layouts, written by tests."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from PIL import Image

LAYOUTS = {
    "vost": ("JPEGImages_10fps", "Annotations", "ImageSets/train.txt"),
    "davis": ("JPEGImages/480p", "Annotations/480p", "ImageSets/2017/train.txt"),
    "youtube": ("JPEGImages", "Annotations", "meta.json"),
}


def write_label(path: Path, label: np.ndarray) -> None:
    """A palette PNG of ids."""
    image = Image.fromarray(label)
    image.putpalette([level for level in range(256) for _ in range(3)])  # without it 255 is lost
    image.save(path)


def write_video(
    images: Path, annotations: Path, frames: int, annotated_every: int = 1, blue: int = 0
) -> None:
    """Frames whose red value is 10 t; an object at the left whose id pixels have green 200."""
    images.mkdir(parents=True)
    annotations.mkdir(parents=True)
    label = np.zeros((80, 96), np.uint8)
    label[:, :48], label[:4] = 1, 255
    for t in range(frames):
        picture = np.zeros((80, 96, 3), np.uint8)
        picture[:] = (10 * t, 0, blue)
        picture[:, :48, 1] = 200
        Image.fromarray(picture).save(images / f"{t:05d}.jpg", quality=100, subsampling=0)
        if t % annotated_every == 0:
            write_label(annotations / f"{t:05d}.png", label)


def write_dataset(
    root: Path, kind: str, videos: dict[str, int], annotated_every: int = 1, blue: int = 0
) -> None:
    """Videos by name and number of frames, in a published layout."""
    images, annotations, listing = (root / part for part in LAYOUTS[kind])
    for name, frames in videos.items():
        write_video(images / name, annotations / name, frames, annotated_every, blue)
    listing.parent.mkdir(parents=True, exist_ok=True)
    if kind == "youtube":
        shown = {
            name: {"objects": {"1": {"frames": [f"{t:05d}" for t in range(0, frames, annotated_every)]}}}
            for name, frames in videos.items()
        }
        listing.write_text(json.dumps({"videos": shown}), encoding="utf-8")
    else:
        listing.write_text("\n".join(videos), encoding="utf-8")


def write_pictures(images: Path, masks: Path, count: int, blue: int = 0) -> None:
    """Pictures of 60 x 80 with two objects, ids 3 and 8, green 200 and 150 on black."""
    images.mkdir(parents=True)
    masks.mkdir(parents=True)
    label = np.zeros((60, 80), np.uint8)
    label[10:50, 10:40], label[10:50, 45:70] = 3, 8
    for i in range(count):
        picture = np.zeros((60, 80, 3), np.uint8)
        picture[label == 3, 1], picture[label == 8, 1], picture[..., 2] = 200, 150, blue
        Image.fromarray(picture).save(images / f"p{i}.png")
        write_label(masks / f"p{i}.png", label)
