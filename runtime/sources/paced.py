"""Plays a file as if it were a camera: frames come at its own rate and wait for nobody."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from threading import Event
from time import monotonic

from ermu.runtime.sources.base import Frame, Source, live_frame
from ermu.runtime.sources.connections.options import ConnectionOptions
from ermu.types import LabelMap


class PacedSource(Source):
    """A source's frames at its nominal rate, live.

    Args:
        source: Not live; closed with this one.
        loop: Begin again at the end instead of ending.
        begin_at: Index of the first frame shown: where another process has come to.
    """

    live = True

    def __init__(self, source: Source, *, loop: bool = False, begin_at: int = 0) -> None:
        self._source, self._loop = source, loop
        self.fps, self.description = source.fps, source.description
        self._closed = Event()
        self._frames, self._left_out = begin_at, begin_at
        if loop and source.total_frames:
            self._left_out %= source.total_frames

    def __iter__(self) -> Iterator[Frame]:
        due = monotonic()
        while True:
            before = self._frames
            frames, self._left_out = islice(self._source, self._left_out, None), 0
            for frame in frames:
                if self._closed.wait(max(0.0, due - monotonic())):
                    return
                yield live_frame(self._frames, frame.picture)
                self._frames += 1
                due = max(due + 1 / self.fps, monotonic() - 1.0)  # a slow reader does not make up for hours
            if not self._loop or self._frames == before:
                return

    def first_label(self) -> LabelMap | None:
        return self._source.first_label()

    def connect_with(self, options: ConnectionOptions) -> None:
        self._source.connect_with(options)

    def decode_on(self, device: str) -> None:
        self._source.decode_on(device)

    def leave_on(self, device: str) -> None:
        self._source.leave_on(device)

    def close(self) -> None:
        self._closed.set()
        self._source.close()
