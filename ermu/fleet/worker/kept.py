"""What is kept of a stream on the disk that all workers share: its session, where it was, whose it is."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ermu.runtime.files import replace_atomically
from ermu.runtime.sinks.base import make_folder


@dataclass(frozen=True)
class Kept:
    """Three files of a stream: `NAME.ermu`, `NAME.json`, `NAME.owner`.

    Attributes:
        folder: Of the sessions.
        name: Of the stream.
    """

    folder: Path
    name: str

    @property
    def session(self) -> Path:
        """Its session."""
        return self.folder / f"{self.name}.ermu"

    def claim(self, worker: str) -> None:
        """Says whose the stream is from now on: a worker that was taken for dead finds out by it.

        Raises:
            SinkError: the folder cannot be written.
        """
        self._write(self.folder / f"{self.name}.owner", worker)

    def is_of(self, worker: str) -> bool:
        """Whether the stream is a worker's; where nobody says so, it is."""
        try:
            return (self.folder / f"{self.name}.owner").read_text("utf-8") == worker
        except OSError:
            return True

    def note(self, **said: Any) -> None:
        """Keeps what a session's file does not say.

        Raises:
            SinkError: the folder cannot be written.
        """
        self._write(self.folder / f"{self.name}.json", json.dumps(said))

    def noted(self) -> dict[str, Any]:
        """What was noted last; nothing where nothing was, or where it cannot be read."""
        try:
            read = json.loads((self.folder / f"{self.name}.json").read_text("utf-8"))
        except (OSError, ValueError):
            return {}
        return read if isinstance(read, dict) else {}

    def forget(self) -> None:
        """Removes all of it."""
        for ending in ("ermu", "json", "owner"):
            (self.folder / f"{self.name}.{ending}").unlink(missing_ok=True)

    def _write(self, path: Path, text: str) -> None:
        make_folder(self.folder)
        with replace_atomically(path) as temporary:
            temporary.write_text(text, encoding="utf-8")
