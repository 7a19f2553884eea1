"""An annotation format: how another tool keeps what label maps hold."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path

from ermu.formats.clip import Clip
from ermu.formats.images import FrameImages


class AnnotationFormat(ABC):
    """Reads and writes one format; made without arguments.

    A format is a subclass in a module of its own (`ermu.formats.kinds`), or in another package.

    Attributes:
        help: In a line: the format, and what it lies in.
        fills_folder: Whether `write` fills a folder; else it writes one file.
        keeps_ignored: Whether pixels to ignore have a place in it.
    """

    help: str = ""
    fills_folder: bool = False
    keeps_ignored: bool = False

    @abstractmethod
    def recognises(self, path: Path) -> bool:
        """Whether a file or folder that exists is of the format; never raises for what is none."""

    @abstractmethod
    def read(self, path: Path, images: FrameImages | None) -> list[Clip]:
        """Reads annotations; masks are made when a frame's label map is asked for.

        Args:
            path: The file or folder.
            images: The frames, where the user has named their folder.

        Raises:
            AnnotationError: it is damaged, or holds what label maps cannot.
            DependencyError: what reads it is not installed.
        """

    @abstractmethod
    def write(self, clips: Sequence[Clip], out: Path) -> None:
        """Writes annotations.

        Args:
            clips: At least one.
            out: A file that is there and empty, or with `fills_folder` an empty folder; both take their
                place when all is written.

        Raises:
            AnnotationError: the format has no place for it.
            OSError: it cannot be written.
        """
