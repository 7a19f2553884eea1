"""Files of JSON objects, one a line, each whole on disk before the next is begun; and their sinks."""

from __future__ import annotations

import json
from abc import abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from ermu.errors import StateError
from ermu.runtime.files import unwritable
from ermu.runtime.results import FrameResult
from ermu.runtime.sinks.base import Sink, SinkContext, make_folder, needed_target
from ermu.runtime.sources.base import Frame

if TYPE_CHECKING:
    from typing_extensions import Self


class JsonLines:
    """Appends records to a new file.

    Raises:
        SinkError: it cannot be created.
    """

    def __init__(self, path: Path) -> None:
        make_folder(path.parent)
        self._path = path
        try:
            self._file: TextIO = path.open("w", encoding="utf-8")
        except OSError as error:
            raise unwritable(path, error) from error

    def append(self, record: dict[str, Any]) -> None:
        """Writes a line and flushes it.

        Raises:
            SinkError: the disk is full.
            StateError: the file has been closed.
        """
        if self._file.closed:
            raise StateError(f"{self._path} has been closed.", fix="open another sink")
        try:
            self._file.write(json.dumps(record) + "\n")
            self._file.flush()
        except OSError as error:
            raise unwritable(self._path, error) from error

    def close(self) -> None:
        """Closes the file; twice is harmless.

        Raises:
            SinkError: the last line cannot be written.
        """
        try:
            self._file.close()
        except OSError as error:
            raise unwritable(self._path, error) from error


class JsonLinesSink(Sink):
    """One JSON object a line and frame; a subclass says what is in it.

    Args:
        path: Of the file, created at once.
    """

    def __init__(self, path: Path) -> None:
        self._lines = JsonLines(path)

    @classmethod
    def open(cls, target: str | None, context: SinkContext) -> Self:
        """See `Sink.open`."""
        return cls(cls.output(target, context))

    @classmethod
    def output(cls, target: str | None, context: SinkContext) -> Path:
        """See `Sink.output`."""
        return context.path(needed_target(target, cls.name, f"{cls.name}.jsonl"))

    @abstractmethod
    def record(self, frame: Frame, result: FrameResult) -> dict[str, Any]:
        """A frame's line, ready for JSON."""

    def write(self, frame: Frame, result: FrameResult) -> None:
        """See `Sink.write`."""
        self._lines.append(self.record(frame, result))

    def close(self) -> None:
        """See `Sink.close`."""
        self._lines.close()
