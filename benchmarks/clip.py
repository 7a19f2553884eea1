"""The frames of a benchmark: drawn or read a gap cycle at a time, outside the timing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

import cv2
import numpy as np

from ermu.benchmarks.options import DEFAULT_SIZE, BenchOptions
from ermu.errors import BenchmarkError, PromptError
from ermu.runtime.images.labels import as_prompt, object_ids, read_label_map
from ermu.runtime.sources.base import Source
from ermu.runtime.sources.opening import open_source
from ermu.scenes.config import SceneConfig
from ermu.scenes.scene import Scene
from ermu.types import Image, LabelMap

SCENE_SEED = 1000
Shown = tuple[Image, LabelMap | None]  # an image, and its label map where it is known
_CELLS = 8  # a hidden object is marked in a cell of this grid


class Clip:
    """Frames in order, taken as they are needed.

    Args:
        description: Recorded with the figures.
        frames: Images, and where they are known their label maps.
        label: uint8 H x W of the first frame.
    """

    def __init__(self, description: str, frames: Iterator[Shown], label: LabelMap) -> None:
        self.description, self.label = description, label
        self._frames = frames

    @property
    def hw(self) -> tuple[int, int]:
        """Size of the frames."""
        return self.label.shape[0], self.label.shape[1]

    @property
    def objects(self) -> int:
        return len(object_ids(self.label))

    def take(self, count: int) -> list[Image]:
        """The next frames.

        Raises:
            BenchmarkError: there are not so many left.
        """
        return [image for image, _ in self.take_shown(count)]

    def take_shown(self, count: int) -> list[Shown]:
        """The next frames and what they show; raises as `take`."""
        frames = list(islice(self._frames, count))
        if len(frames) < count:
            raise _too_short(f"{self.description} ended before the benchmark did.")
        return frames


@contextmanager
def open_clip(options: BenchOptions, frames: int) -> Iterator[Clip]:
    """The source's frames, or a scene's.

    Args:
        options: Name the source, or size and objects.
        frames: How many will be taken at most.
    """
    if options.source is None:
        yield scene_clip(options, frames)
        return
    with open_source(options.source) as source:
        if source.total_frames is not None and source.total_frames < frames:
            raise _too_short(f"{source.description} has {source.total_frames} frames.", frames)
        shown = ((frame.image, None) for frame in source)
        yield Clip(source.description, shown, first_label(source, options.prompt))


def _too_short(problem: str, frames: int | None = None) -> BenchmarkError:
    return BenchmarkError(
        problem,
        expected=f"{frames or 'enough'}: to fill the memory, to warm up, to time",
        fix="use fewer --frames and --warmup, or a longer source",
    )


def first_label(source: Source, prompt: Path | None) -> LabelMap:
    """The label map of a source's first frame: the prompt's, or its own.

    Raises:
        PromptError: there is neither.
    """
    label = read_label_map(prompt) if prompt else source.first_label()
    if label is None:
        raise PromptError(
            f"Nothing says which objects to follow in {source.description}.", fix="pass --prompt LABEL.png"
        )
    return as_prompt(label)


def scene_clip(options: BenchOptions, frames: int) -> Clip:
    """A procedural scene of the size and with the objects asked for."""
    hw = options.size or DEFAULT_SIZE
    scene = Scene(
        SceneConfig(SCENE_SEED, hw, max(frames, 1), options.objects, split="validation", occluders=0)
    )
    description = f"scene {SCENE_SEED}, {hw[1]}x{hw[0]}, {options.objects} objects"
    first = scene[0][1]
    seen = np.isin(np.arange(256), object_ids(first))  # those with a square are not where it says

    def shown() -> Iterator[Shown]:
        for image, label in (scene[t] for t in range(frames)):
            yield image, np.where(seen[label], label, 0).astype(np.uint8)

    return Clip(description, shown(), _every_object(first, options.objects))


def _every_object(label: LabelMap, objects: int) -> LabelMap:
    """A first label map in which no object is hidden by others: those that are get a square of their own."""
    label = label.copy()
    height, width = label.shape
    for missing in sorted(set(range(1, objects + 1)) - set(object_ids(label))):
        row, column = divmod(missing % _CELLS**2, _CELLS)
        y, x = (row * height // _CELLS, column * width // _CELLS)
        label[y : y + height // (2 * _CELLS), x : x + width // (2 * _CELLS)] = missing
    return label


def write_video(clip: Clip, frames: int, path: Path, fps: float) -> None:
    """The next frames as motion JPEG, so that capturing them is decoding and nothing else."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), fps, clip.hw[::-1])
    for _ in range(frames):
        writer.write(clip.take(1)[0])
    writer.release()
