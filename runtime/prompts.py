"""Prompts by frame: what brings objects in while a run goes on, and a folder of label maps that does."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path

import numpy as np

from ermu.errors import PromptError, counted
from ermu.runtime.files import few, visible_files
from ermu.runtime.images.labels import IGNORE, object_ids, read_label_map
from ermu.runtime.sources.base import Frame
from ermu.types import LabelMap

AddDetections = Callable[..., object]  # `Steering.add_detections`


class Prompts(ABC):
    """Says what to follow from which frame on."""

    @abstractmethod
    def take(self, frame: Frame) -> LabelMap | None:
        """The label map of the objects that a frame brings in, None where it brings none.

        Args:
            frame: The next one.

        Raises:
            PromptError: there are none to be had from what was given.
        """

    def after(self, frame: Frame, number: int, followed: int, add: AddDetections) -> bool:
        """May have more followed from a frame on, once it has been segmented; whether something was added.

        Args:
            frame: The latest.
            number: Its number.
            followed: How many objects there are.
            add: Adds detections on it.

        Raises:
            PromptError: there are none to be had from what was given.
        """
        return False

    def check_used(self, frames: int, *, stopped: bool = False) -> None:
        """Tells, at the end, of what no frame has asked for.

        Args:
            frames: How many came.
            stopped: Whether more would have come: prompts may then belong to later ones.

        Raises:
            PromptError: there is some.
        """
        return


class PromptFolder(Prompts):
    """Label maps on disk: an object is taken from the first one that has it.

    A frame's label map is found by the frame's name; numbers count as such, 5 and 00005 are the same.

    Args:
        folder: Of label maps, PNG, named after frames: YouTube-VOS, or `ermu run --prompts`.

    Raises:
        PromptError: there is none, or two are called alike.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._waiting: dict[str, Path] = {}
        self._known: set[int] = set()
        for path in visible_files(folder, ".png"):
            other = self._waiting.setdefault(_key(path.stem), path)
            if other != path:
                raise PromptError(
                    f"{path.name} and {other.name} in {folder} are for the same frame.", fix="remove one"
                )
        if not self._waiting:
            raise PromptError(
                f"{folder} holds no label map.", expected="PNGs that are called as the frames they belong to"
            )

    def take(self, frame: Frame) -> LabelMap | None:
        """See `Prompts.take`."""
        path = self._waiting.pop(_key(frame.name), None)
        if path is None:
            return None
        label = read_label_map(path)
        if not object_ids(label):  # a mask of 0 and 255 is object 1, as where it is the only prompt
            label = (label == IGNORE).astype(np.uint8)
        seen = self._known & set(object_ids(label))
        for object_id in seen:
            label[label == object_id] = 0
        new = object_ids(label)
        self._known.update(new)
        return label if new else None

    def check_used(self, frames: int, *, stopped: bool = False) -> None:
        """See `Prompts.check_used`: label maps whose frame has not come."""
        if stopped and self._known:
            return
        left = [path.name for path in self._waiting.values()]
        if left:
            raise PromptError(
                f"{counted(len(left), 'label map')} in {self.folder} for none of the "
                f"{counted(frames, 'frame')}: {few(left)}.",
                expected="names of frames: an image's without its suffix, a number counted from 0 in a video",
                fix="rename or remove them; what was segmented is written",
            )


def _key(name: str) -> str:
    return str(int(name)) if name.isdecimal() else name
