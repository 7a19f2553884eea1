"""A sink: something that takes every frame with its result."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from pathlib import Path
from types import TracebackType

from ermu.errors import SinkError
from ermu.runtime.files import unwritable
from ermu.runtime.results import FrameResult
from ermu.runtime.sources.base import Frame


class Sink(ABC):
    """Takes frames with their results; a context manager that leaves whole files behind.

    Attributes:
        name: For tables and messages.
    """

    name: str = "sink"

    @abstractmethod
    def write(self, frame: Frame, result: FrameResult) -> None:
        """Takes one frame.

        Raises:
            SinkError: it cannot be written; what was written before stays.
        """

    def close(self) -> None:
        """Finishes the files.

        Raises:
            SinkError: they cannot be finished.
        """
        return

    def __enter__(self) -> Sink:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def make_folder(folder: Path) -> Path:
    """Creates a folder where there is none.

    Raises:
        SinkError: it cannot be created.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise unwritable(folder, error) from error
    return folder


def claim_folder(folder: Path, *, overwrite: bool) -> Path:
    """A folder for results: empty, new, or the user's to overwrite.

    Raises:
        SinkError: it is not empty and `overwrite` is not set, or it is not a folder.
    """
    if folder.exists() and not folder.is_dir():
        raise SinkError(f"{folder} is a file.", expected="a folder for the results")
    if folder.is_dir() and not overwrite and any(os.scandir(folder)):
        raise SinkError(
            f"The output folder {folder} is not empty.", fix="choose another --out, or pass --overwrite"
        )
    return make_folder(folder)
