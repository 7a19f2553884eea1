"""A file of JSON objects, one a line, each whole on disk before the next is begun."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, TextIO

from ermu.errors import StateError
from ermu.runtime.files import unwritable
from ermu.runtime.sinks.base import make_folder


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
