"""A video sequence with annotations: image folders, or a procedural scene."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import cv2
import numpy as np

from ermu.errors import DatasetError, PromptError
from ermu.runtime.images.labels import read_label_map
from ermu.runtime.sources.base import Frame
from ermu.scenes.config import SceneConfig
from ermu.scenes.scene import Scene
from ermu.types import LabelMap

_FEWEST_ANNOTATIONS = 3


class VideoSequence(ABC):
    """Frames in order, some of them annotated; can be sent to another process.

    Attributes:
        name: Its name in tables and result folders.
    """

    name: str

    @property
    @abstractmethod
    def frame_names(self) -> tuple[str, ...]:
        """Names of the frames to run through, from the first annotated one on."""

    @property
    @abstractmethod
    def annotated(self) -> tuple[str, ...]:
        """Names of the annotated frames, in order; the first is the prompt."""

    @abstractmethod
    def frames(self) -> Iterator[Frame]:
        """Yields the frames of `frame_names`, BGR uint8.

        Raises:
            DatasetError: A frame cannot be read.
        """

    @abstractmethod
    def annotation(self, name: str) -> LabelMap:
        """Returns the label map of an annotated frame, H x W uint8, 255 for pixels to ignore.

        Raises:
            DatasetError: It cannot be read.
        """

    @property
    def scored(self) -> tuple[str, ...]:
        """The annotated frames that count: all but the first and the last (`docs/spec/evaluation.md`).

        Raises:
            DatasetError: Fewer than three frames are annotated.
        """
        if len(self.annotated) < _FEWEST_ANNOTATIONS:
            raise DatasetError(
                f"Sequence {self.name} has {len(self.annotated)} annotated frames.",
                expected="at least 3: the first is the prompt, and neither it nor the last is scored",
            )
        return self.annotated[1:-1]

    @property
    def gap(self) -> int:
        """Frames between two appends to the memory bank, by the rule of `docs/spec/evaluation.md`."""
        return max(5, round(len(self.frame_names) / 30))


@dataclass(frozen=True)
class FolderSequence(VideoSequence):
    """A sequence of image files.

    Attributes:
        name: Name of the sequence.
        images: Frame files, in order.
        annotations: Label maps named after frames, in order.
        binary: Everything that is not 0 is object 1 (DAVIS 2016).
    """

    name: str
    images: tuple[Path, ...]
    annotations: tuple[Path, ...]
    binary: bool = False

    @cached_property
    def _run(self) -> tuple[Path, ...]:
        stems = [path.stem for path in self.images]
        if not self.annotations:
            raise DatasetError(
                f"Sequence {self.name} has no annotation.", expected="a label map of its first frame"
            )
        lost = [path.stem for path in self.annotations if path.stem not in set(stems)]
        if lost:
            raise DatasetError(
                f"Sequence {self.name} has annotations without a frame: {', '.join(lost[:3])}.",
                expected="every annotation named after one of the frames",
            )
        return self.images[stems.index(self.annotations[0].stem) :]

    @property
    def frame_names(self) -> tuple[str, ...]:
        return tuple(path.stem for path in self._run)

    @property
    def annotated(self) -> tuple[str, ...]:
        return tuple(path.stem for path in self.annotations)

    def frames(self) -> Iterator[Frame]:
        for index, path in enumerate(self._run):
            image = cv2.imread(str(path), cv2.IMREAD_COLOR)
            if image is None:
                raise DatasetError(
                    f"{path} cannot be read as an image.", fix="restore the file from the dataset"
                )
            yield Frame(index, path.stem, np.asarray(image, np.uint8))

    def annotation(self, name: str) -> LabelMap:
        path = next(path for path in self.annotations if path.stem == name)
        try:
            label = read_label_map(path)
        except PromptError as error:
            raise DatasetError(error.problem, expected=error.expected, fix=error.fix) from error
        return (label > 0).astype(np.uint8) if self.binary else label


@dataclass(frozen=True)
class SceneSequence(VideoSequence):
    """A procedural scene, every frame annotated.

    Attributes:
        name: Name of the sequence.
        config: What the scene shows.
    """

    name: str
    config: SceneConfig

    @property
    def frame_names(self) -> tuple[str, ...]:
        return tuple(f"{t:05d}" for t in range(self.config.frames))

    @property
    def annotated(self) -> tuple[str, ...]:
        return self.frame_names

    @cached_property
    def _scene(self) -> Scene:
        return Scene(self.config)

    def frames(self) -> Iterator[Frame]:
        for t, name in enumerate(self.frame_names):
            yield Frame(t, name, self._scene[t][0])

    def annotation(self, name: str) -> LabelMap:
        return self._scene[int(name)][1]
