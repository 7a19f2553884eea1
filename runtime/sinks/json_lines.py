"""Files of JSON objects, one a line, each whole on disk before the next is begun; and their sinks."""

from __future__ import annotations

import json
import os
from abc import abstractmethod
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ermu.errors import SinkError, StateError
from ermu.runtime.files import hold, shown, unwritable
from ermu.runtime.results import FrameResult
from ermu.runtime.sinks.base import Sink, SinkContext, make_folder, needed_target
from ermu.runtime.sinks.output_files import OutputFiles
from ermu.runtime.sources.base import DEFAULT_FPS, Frame
from ermu.runtime.timing.wall_clock import utc

if TYPE_CHECKING:
    from typing_extensions import Self

_FIRST = 1 << 20  # bytes of a first line that are looked at
_FEW = 1 << 16


class JsonLines:
    """Writes records to a file.

    Args:
        path: Of the file.
        behind: Go on behind what is there: a line that a killed process left unfinished is taken away.

    Raises:
        SinkError: it cannot be created, or another process writes it.
    """

    def __init__(self, path: Path, *, behind: bool = False) -> None:
        make_folder(path.parent)
        self._path = path
        special = path.exists() and not path.is_file()  # /dev/null, a pipe: whoever likes writes there
        self._own = not special and not behind
        try:
            self._file = path.open("wb" if special else "ab", buffering=0)
            if special:
                return
            if not hold(self._file.fileno()):
                self._file.close()
                raise SinkError(
                    f"{shown(path)} is being written by another process.",
                    fix="choose another path, or end that process",
                )
            if behind:
                _mend(path)
            else:
                self._file.truncate(0)
        except OSError as error:
            raise unwritable(path, error) from error

    def append(self, record: dict[str, Any]) -> None:
        """Writes a line.

        Raises:
            SinkError: the disk is full; nothing of the line stays.
            StateError: the file has been closed.
        """
        if self._file.closed:
            raise StateError(f"{self._path} has been closed.", fix="open another sink")
        line = memoryview(json.dumps(record).encode() + b"\n")
        written = 0
        try:
            while written < len(line):
                written += self._file.write(line[written:]) or 0
        except OSError as error:
            if written:
                with suppress(OSError):  # a pipe, say, keeps what it has
                    self._file.truncate(os.fstat(self._file.fileno()).st_size - written)
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

    def discard(self) -> None:
        """Closes the file, which goes where nothing has been written and nothing was there to go on with.

        Raises:
            SinkError: it cannot be closed or removed.
        """
        try:
            if self._own and not self._file.closed and not os.fstat(self._file.fileno()).st_size:
                self._path.unlink(missing_ok=True)
        except OSError as error:
            raise unwritable(self._path, error) from error
        finally:
            self.close()


class JsonLinesSink(Sink):
    """JSON objects, a line each, in one file or in segments; a subclass says what is in them.

    A live stream's records have the time of day too (`utc`), and go on behind those of an earlier run.

    Args:
        path: Of the file, created at once, and gone at the end if no frame came; of segments, each with its
            first record.
        context: Of the stream.

    Attributes:
        keys: Of every record, by which an earlier run's file is known.

    Raises:
        SinkError: it cannot be created, or is no earlier run's file to go on with.
    """

    keys: Collection[str] = ()

    def __init__(self, path: Path, context: SinkContext | None = None) -> None:
        context = context or SinkContext(DEFAULT_FPS)
        self._live = context.live
        self._files = OutputFiles(path, context, self.is_own)
        self._lines: JsonLines | None = None
        self._segment = path
        self._taken = False  # whether a frame has come, with or without a record
        if self._files.segmented:
            make_folder(path.parent)
            return
        behind = context.goes_on and path.is_file()
        if behind and not self.is_own(path):
            raise SinkError(
                f"{shown(path)} does not hold {self.name} records, and none will be written behind it.",
                fix="choose another path, or pass --overwrite",
            )
        self._lines = JsonLines(path, behind=behind)

    @classmethod
    def open(cls, target: str | None, context: SinkContext) -> Self:
        """See `Sink.open`."""
        return cls(cls.output(target, context), context)

    @classmethod
    def output(cls, target: str | None, context: SinkContext) -> Path:
        """See `Sink.output`."""
        return context.path(needed_target(target, cls.name, f"{cls.name}.jsonl"))

    @classmethod
    def keeps(cls, output: Path, context: SinkContext) -> bool:
        """See `Sink.keeps`."""
        return context.segment_seconds is not None or (context.goes_on and cls.is_own(output))

    @classmethod
    def is_own(cls, path: Path) -> bool:
        """Whether a file holds such records, or nothing."""
        try:
            with path.open("rb") as file:
                line = file.readline(_FIRST)
            first = json.loads(line) if line else dict.fromkeys(cls.keys)
        except (OSError, ValueError):
            return False
        return isinstance(first, dict) and first.keys() >= set(cls.keys)

    @abstractmethod
    def records(self, frame: Frame, result: FrameResult) -> list[dict[str, Any]]:
        """A frame's lines, ready for JSON."""

    def write(self, frame: Frame, result: FrameResult) -> None:
        """See `Sink.write`."""
        self._taken = True
        segment = self._files.turn(frame.time)
        if segment is not None:
            self.close()
            self._lines, self._segment = None, segment
        for record in self.records(frame, result):
            if self._lines is None:
                self._lines = JsonLines(self._segment)
            self._lines.append({**record, "utc": utc(frame.stamp)} if self._live else record)

    def close(self) -> None:
        """See `Sink.close`."""
        if self._lines is not None and self._taken:
            self._lines.close()
        elif self._lines is not None:
            self._lines.discard()


def _mend(path: Path) -> None:
    """Takes an unfinished last line away; one that lacks its end alone gets it."""
    with path.open("r+b") as file:
        size = file.seek(0, os.SEEK_END)
        start, tail = size, b""
        while start and b"\n" not in tail:
            step = min(_FEW, start)
            start -= step
            file.seek(start)
            tail = file.read(step) + tail
        last = tail.rpartition(b"\n")[2]
        if not last:
            return
        try:
            json.loads(last)
        except ValueError:
            file.truncate(size - len(last))
        else:
            file.seek(size)
            file.write(b"\n")
