"""One JPEG encoder a stream for any number of viewers, each of whom gets the newest picture only."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from threading import Lock

from ermu.runtime.results import FrameResult
from ermu.runtime.serve.views.picture import Picture, encode_picture
from ermu.runtime.sinks.base import Sink
from ermu.runtime.sources.base import Frame

MAX_VIEWERS = 64
_PREVIEW_EDGE, _PREVIEW_QUALITY = 480, 70


class Broadcast(Sink):
    """A sink that shows the overlay to whoever looks; nobody looking, nothing is encoded.

    Args:
        long_edge: Larger pictures are scaled down to it.
        quality: Of the JPEGs, 1 to 100.
    """

    name = "page"
    is_view = True

    def __init__(self, *, long_edge: int = 1280, quality: int = 80) -> None:
        self._long_edge, self._quality = long_edge, quality
        self._viewers: dict[asyncio.Event, asyncio.AbstractEventLoop] = {}
        self._lock = Lock()
        self._latest: tuple[Frame, FrameResult] | None = None
        self._picture: Picture | None = None
        self._preview: tuple[FrameResult, Picture] | None = None
        self._closed = False

    @property
    def viewers(self) -> int:
        return len(self._viewers)

    @property
    def full(self) -> bool:
        """Whether no further viewer is taken."""
        return self.viewers >= MAX_VIEWERS

    def write(self, frame: Frame, result: FrameResult) -> None:
        self._latest = (frame, result)
        self._picture = self.encoded(frame, result) if self._viewers else None
        self._tell()

    def close(self) -> None:
        self._closed = True
        self._tell()

    def picture(self) -> Picture | None:
        """The newest picture, None before the first frame."""
        latest = self._latest
        if latest is None:
            return None
        return self._picture or self.encoded(*latest)

    def preview(self) -> Picture | None:
        """The newest picture, small; encoded once a frame, however many ask. None before the first frame."""
        latest, made = self._latest, self._preview
        if latest is None:
            return None
        if made is None or made[0] is not latest[1]:
            small = encode_picture(*latest, long_edge=_PREVIEW_EDGE, quality=_PREVIEW_QUALITY)
            made = self._preview = (latest[1], small)
        return made[1]

    async def pictures(self) -> AsyncGenerator[Picture, None]:
        """The newest picture, then each newest one after the last was taken, until the stream closes."""
        changed = asyncio.Event()
        with self._lock:
            self._viewers[changed] = asyncio.get_running_loop()
        try:
            while True:
                closed = self._closed
                picture = await asyncio.to_thread(self.picture)
                if picture is not None:
                    yield picture
                if closed:
                    return
                await changed.wait()
                changed.clear()
        finally:
            with self._lock:
                self._viewers.pop(changed, None)

    def _tell(self) -> None:
        with self._lock:
            viewers = list(self._viewers.items())
        for changed, loop in viewers:
            try:
                loop.call_soon_threadsafe(changed.set)
            except RuntimeError:  # the server's loop has ended and its viewers with it
                self._viewers.pop(changed, None)

    def encoded(self, frame: Frame, result: FrameResult) -> Picture:
        """A frame with its objects drawn in."""
        return encode_picture(frame, result, long_edge=self._long_edge, quality=self._quality)
