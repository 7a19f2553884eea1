"""Clips of single pictures with masks: the first stage of the published training."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ermu.errors import DatasetError
from ermu.training.config import PhaseConfig
from ermu.training.data.augmentation.warp import warped
from ermu.training.data.config import PictureSourceConfig
from ermu.training.data.sample import Sample
from ermu.training.data.sources.files import PICTURES, read_label, read_picture, visible_files
from ermu.training.data.sources.source import other_item
from ermu.training.learning.losses import IGNORE


class PictureSource:
    """Clips of single pictures; an item is a picture.

    Args:
        pairs: Pictures and their masks.
    """

    def __init__(self, pairs: list[tuple[Path, Path]]) -> None:
        self._pairs = pairs
        self.size = len(pairs)

    def sample(self, rng: np.random.Generator, item: int, phase: PhaseConfig) -> Sample:
        """See `ClipSource`."""
        image, mask = self._pairs[item]
        picture, label = read_picture(image), one_object(read_label(mask))
        if picture.shape[:2] != label.shape:
            raise DatasetError(
                f"{mask} is {label.shape[1]} x {label.shape[0]} pixels, and its picture is not.",
                expected=f"{picture.shape[1]} x {picture.shape[0]}",
            )
        return warped(rng, picture, label, phase.frames, phase.size)

    def another(self, rng: np.random.Generator, item: int) -> int:
        """See `ClipSource`."""
        if self.size < 2:
            raise DatasetError("There is one picture alone.", expected="at least two, to merge their clips")
        return other_item(rng, item, self.size)


def one_object(label: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A mask of 0 and 255 alone, as saliency sets have, is one object; any other is ids."""
    grey = set(np.unique(label).tolist())
    return np.where(label == IGNORE, 1, 0).astype(np.uint8) if grey <= {0, IGNORE} else label


def open_pictures(config: PictureSourceConfig) -> PictureSource:
    """The source that a config names.

    Raises:
        DatasetError: a folder has no pictures, or a picture has no mask.
    """
    pairs = []
    for part in config.sets or (".",):
        images, masks = config.images / part, config.masks / part
        found = visible_files(images, *PICTURES)
        if not found:
            raise DatasetError(f"{images} has no pictures.", expected="JPEG or PNG files")
        pairs += [(image, masks / f"{image.stem}.png") for image in found]
    missing = [mask for _, mask in pairs if not mask.is_file()]
    if missing:
        raise DatasetError(
            f"{missing[0]} is missing ({len(missing)} masks are).", expected="a PNG of ids for every picture"
        )
    return PictureSource(pairs)
