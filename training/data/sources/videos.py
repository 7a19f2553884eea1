"""Clips of annotated videos, in VOST's, DAVIS's and YouTube-VOS's published layouts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from ermu.errors import DatasetError
from ermu.training.config import PhaseConfig
from ermu.training.data.augmentation.choice import augment
from ermu.training.data.config import VideoSourceConfig
from ermu.training.data.frames import published_indices
from ermu.training.data.sample import Sample
from ermu.training.data.sources.files import read_label, read_picture, visible_files
from ermu.training.data.sources.source import other_item

Video = list[tuple[Path, Path]]
# Frames, annotations and the list of sequences, below the root.
_LAYOUTS = {
    "vost": ("JPEGImages_10fps", "Annotations", "ImageSets/{split}.txt"),
    "davis": ("JPEGImages/480p", "Annotations/480p", "ImageSets/2017/{split}.txt"),
    "youtube": ("JPEGImages", "Annotations", "meta.json"),
}


class VideoSource:
    """Clips of annotated videos; an item is a video.

    Args:
        videos: Of each, frames and label maps in pairs; at least two.
        max_gap: Most frames between two of a clip; None takes the phase's.
        ignore_threshold: Most ignored pixels in a clip's first frame, as a share of those not background.
    """

    def __init__(
        self, videos: list[Video], max_gap: int | None = None, ignore_threshold: float | None = None
    ) -> None:
        self._videos, self._max_gap, self._threshold = videos, max_gap, ignore_threshold
        self.size = len(videos)

    def sample(self, rng: np.random.Generator, item: int, phase: PhaseConfig) -> Sample:
        """See `ClipSource`."""
        video = self._videos[item]
        labels: dict[int, Any] = {}

        def label(index: int) -> Any:
            if index not in labels:
                labels[index] = read_label(video[index][1])
            return labels[index]

        gap = self._max_gap or phase.max_gap
        chosen = published_indices(rng, label, len(video), phase.frames, gap, self._threshold)
        pictures = {index: read_picture(video[index][0]) for index in set(chosen)}
        return augment(rng, [pictures[i] for i in chosen], [label(i) for i in chosen], phase)

    def another(self, rng: np.random.Generator, item: int) -> int:
        """See `ClipSource`."""
        if self.size < 2:
            raise DatasetError("There is one video alone.", expected="at least two, to merge their clips")
        return other_item(rng, item, self.size)


def open_videos(config: VideoSourceConfig) -> VideoSource:
    """The source that a config names.

    Raises:
        DatasetError: the folder does not have the layout that its kind promises, a sequence has fewer than
            two annotated frames, or a frame is missing.
    """
    images, annotations, listing = (
        config.root / part.format(split=config.split) for part in _LAYOUTS[config.kind]
    )
    if config.images is not None:
        images = config.root / config.images
    if not listing.is_file():
        raise DatasetError(
            f"{listing} does not exist.", expected=f"the {config.kind} layout under {config.root}"
        )
    if listing.suffix == ".json":
        stems = _youtube_frames(listing)
    else:
        names = listing.read_text(encoding="utf-8").split()
        stems = {name: [p.stem for p in visible_files(annotations / name, ".png")] for name in names}
    if not stems:
        raise DatasetError(f"{listing} names no sequence.", expected="at least one to train on")
    videos = [_video(images / name, annotations / name, frames) for name, frames in stems.items()]
    return VideoSource(videos, config.max_gap, config.ignore_threshold)


def _youtube_frames(listing: Path) -> dict[str, list[str]]:
    """The annotated frames of each sequence: those that show an object annotated more than once.

    A sequence without two of them is left out, as the published code does.
    """
    try:
        described = json.loads(listing.read_text(encoding="utf-8"))["videos"]
        shown = {
            name: [thing["frames"] for thing in video["objects"].values()]
            for name, video in described.items()
        }
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DatasetError(
            f"{listing} cannot be read: {error!r}.", expected="videos, their objects and frames, as published"
        ) from error
    stems = {
        name: sorted({stem for frames in objects if len(frames) > 1 for stem in frames})
        for name, objects in shown.items()
    }
    return {name: frames for name, frames in stems.items() if len(frames) > 1}


def _video(images: Path, annotations: Path, stems: list[str]) -> Video:
    pairs = [(images / f"{stem}.jpg", annotations / f"{stem}.png") for stem in stems]
    missing = [path for pair in pairs for path in pair if not path.is_file()]
    if missing:
        raise DatasetError(
            f"{missing[0]} is missing.", expected=f"a frame for every annotation in {annotations}"
        )
    if len(pairs) < 2:
        raise DatasetError(f"{annotations} has {len(pairs)} annotations.", expected="at least 2 to train on")
    return pairs
