"""A video sequence with annotations: which objects it asks for, when they appear, and what can be scored."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path

import numpy as np

from ermu.errors import DatasetError, PromptError, SourceError
from ermu.evaluation.metrics import object_count
from ermu.runtime.files import shown, visible_files, visible_folders
from ermu.runtime.images.labels import object_ids, read_label_map
from ermu.runtime.images.reading import PictureReader
from ermu.runtime.sources.base import Frame
from ermu.runtime.sources.kinds.images import IMAGE_SUFFIXES
from ermu.types import LabelMap

_FEWEST_ANNOTATIONS = 3
_RESTORE = "restore the file from the dataset"

logger = logging.getLogger("ermu.evaluation")


class VideoSequence(ABC):
    """Frames in order, some of them annotated; can be sent to another process.

    Attributes:
        name: Its name in tables and result folders.
        later: Whether objects count that first appear in a later annotation: they are prompted there.
    """

    name: str
    later: bool = False

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

    @cached_property
    def arrivals(self) -> dict[str, tuple[int, ...]]:
        """The objects by the frame whose annotation is their prompt (`docs/spec/evaluation.md`, 'Measures').

        Raises:
            DatasetError: The first annotation cannot be read or holds no object.
        """
        first = self.annotation(self.annotated[0])
        count = object_count(first)
        if count == 0:
            raise DatasetError(
                f"The first annotation of sequence {self.name} holds no object.",
                expected="at least one pixel with an id from 1 to 254",
            )
        later: dict[str, tuple[int, ...]] = {}
        known = set(object_ids(first))
        for name in self.annotated[1:] if self.later else ():
            new = tuple(i for i in object_ids(self.annotation(name)) if i not in known)
            if new:
                later[name] = new
                known.update(new)
        arrived = {i for ids in later.values() for i in ids}
        return {self.annotated[0]: tuple(i for i in range(1, count + 1) if i not in arrived), **later}

    @property
    def ids(self) -> tuple[int, ...]:
        """Every object that is followed."""
        return tuple(sorted(i for ids in self.arrivals.values() for i in ids))

    def prompt(self, name: str) -> LabelMap | None:
        """The label map of the objects that appear in a frame; None where none does."""
        new = self.arrivals.get(name)
        if new is None:
            return None
        annotation = self.annotation(name)
        if name == self.annotated[0]:
            return annotation
        return np.where(np.isin(annotation, new), annotation, 0).astype(np.uint8)

    def layers(self, name: str) -> tuple[tuple[LabelMap, tuple[int, ...]], ...]:
        """An annotated frame's label maps with the objects to score in each; several where they overlap."""
        return ((self.annotation(name), self.ids),)

    def comparable(self, result: LabelMap) -> LabelMap:
        """A result with the ids of the annotations."""
        return result

    @property
    def submitted(self) -> tuple[str, ...]:
        """Names of the frames that the dataset's server asks for."""
        return self.frame_names

    @property
    def scored(self) -> tuple[str, ...]:
        """The annotated frames that count: all but the first and the last (`docs/spec/evaluation.md`).

        None does where there is nothing but prompts.
        """
        if len(self.annotated) < _FEWEST_ANNOTATIONS or set(self.annotated) <= set(self.arrivals):
            return ()
        return self.annotated[1:-1]

    @property
    def unscored(self) -> str:
        """Why no frame is scored; empty where some are."""
        if self.scored:
            return ""
        if set(self.annotated) <= set(self.arrivals):
            return "nothing but its prompts is annotated"
        return f"it has {len(self.annotated)} annotated frames, and neither the first nor the last counts"


@dataclass(frozen=True)
class FolderSequence(VideoSequence):
    """A sequence of image files.

    Attributes:
        name: Name of the sequence.
        images: Folder of the frames.
        annotations: Folder of label maps named after frames.
        binary: Everything that is not 0 is object 1, in results too (DAVIS 2016).
        later: Whether objects that first appear in a later annotation are followed and scored from there;
            then annotations of 0 and 255 alone are binary as well.
    """

    name: str
    images: Path
    annotations: Path
    binary: bool = False
    later: bool = False

    @cached_property
    def _label_files(self) -> dict[str, Path]:
        """Label maps by frame; where objects may come later, from the first on that holds one."""
        if not self.annotations.is_dir():
            raise _no_folder(self.name, self.annotations)
        files = visible_files(self.annotations, ".png")
        if not files:
            raise DatasetError(
                f"Sequence {self.name} has no annotation in {self.annotations}.",
                expected="a label map of its first frame, as PNG",
            )
        begin = next((i for i, path in enumerate(files) if not self.later or object_ids(self._read(path))), 0)
        return {path.stem: path for path in files[begin:]}

    @cached_property
    def _run(self) -> tuple[Path, ...]:
        first = self.annotated[0]
        if not self.images.is_dir():
            raise _no_folder(self.name, self.images)
        images = visible_files(self.images, *IMAGE_SUFFIXES)
        stems = [path.stem for path in images]
        stem, times = Counter(stems).most_common(1)[0] if stems else ("", 0)
        if times > 1:
            raise DatasetError(
                f"Sequence {self.name} has several frames called '{stem}'.",
                expected="names that differ without their suffix",
            )
        lost = [name for name in self.annotated if name not in set(stems)]
        if lost:
            raise DatasetError(
                f"Sequence {self.name} has annotations without a frame: {', '.join(lost[:3])}.",
                expected="every annotation named after one of the frames",
            )
        return tuple(images[stems.index(first) :])

    @property
    def frame_names(self) -> tuple[str, ...]:
        return tuple(path.stem for path in self._run)

    @property
    def annotated(self) -> tuple[str, ...]:
        return tuple(self._label_files)

    def frames(self) -> Iterator[Frame]:
        reader = PictureReader()
        for index, path in enumerate(self._run):
            try:
                picture = reader.read(path)
            except SourceError as error:
                raise DatasetError(error.problem, expected=error.expected, fix=_RESTORE) from error
            if picture.damage:
                raise DatasetError(f"{shown(path)} is damaged: {picture.damage}.", fix=_RESTORE)
            yield Frame(index, path.stem, picture.pixels)

    def annotation(self, name: str) -> LabelMap:
        return self._read(self._label_files[name])

    def comparable(self, result: LabelMap) -> LabelMap:
        return (result > 0).astype(np.uint8) if self._one_object else result

    @cached_property
    def _one_object(self) -> bool:
        """Whether whatever is not 0 is object 1: the dataset says so, or 255 is all that was ever drawn."""
        if self.binary or not self.later:
            return self.binary
        drawn = False
        for path in visible_files(self.annotations, ".png"):
            label = read_annotation(path)
            if object_ids(label):
                return False
            drawn = drawn or bool(label.any())
        if drawn:
            logger.warning(
                "Annotations of %s hold 0 and 255 alone: 255 is taken as object 1, not as ignore.", self.name
            )
        return drawn

    def _read(self, path: Path) -> LabelMap:
        return self.comparable(read_annotation(path))


def read_annotation(path: Path) -> LabelMap:
    """Reads a label map of a dataset.

    Raises:
        DatasetError: It cannot be read.
    """
    try:
        return read_label_map(path)
    except PromptError as error:
        raise DatasetError(error.problem, expected=error.expected, fix=error.fix) from error


def _no_folder(name: str, folder: Path) -> DatasetError:
    """The error for a sequence without its folder, with the name that was probably meant."""
    there = [path.name for path in visible_folders(folder.parent)] if folder.parent.is_dir() else []
    close = get_close_matches(name, there, 1)
    return DatasetError(
        f"There is no folder {folder} for the sequence {name}.",
        expected=f"a folder for each sequence that is named{f'; there is {close[0]}' if close else ''}",
        fix="unpack the whole dataset, or take the name out of the list",
    )
