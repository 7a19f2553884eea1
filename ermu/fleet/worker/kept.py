"""What is kept of a stream on the disk that all workers share: its session, and whose it is."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ermu.runtime.files import replace_atomically
from ermu.runtime.sinks.base import make_folder


@dataclass(frozen=True)
class Kept:
    """Two files of a stream: `NAME.ermu` and `NAME.owner`.

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
        make_folder(self.folder)
        with replace_atomically(self._owner) as temporary:
            temporary.write_text(worker, encoding="utf-8")

    def is_of(self, worker: str) -> bool:
        """Whether the stream is a worker's; where nobody says so, it is."""
        try:
            return self._owner.read_text("utf-8") == worker
        except OSError:
            return True

    def forget(self) -> None:
        """Removes all of it."""
        for ending in ("ermu", "owner"):
            (self.folder / f"{self.name}.{ending}").unlink(missing_ok=True)

    @property
    def _owner(self) -> Path:
        return self.folder / f"{self.name}.owner"
