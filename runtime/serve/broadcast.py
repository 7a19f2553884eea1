"""One drawing and one encoder a stream for any number of viewers, who get the newest picture only."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from threading import Lock
from typing import Protocol

from ermu.runtime.results import FrameResult
from ermu.runtime.serve.views.picture import Drawing, Picture, draw
from ermu.runtime.sinks.base import Sink
from ermu.runtime.sources.base import Frame

MAX_VIEWERS = 64
_PREVIEW_EDGE, _PREVIEW_QUALITY = 480, 70


class Feed(Protocol):
    """Shows a stream's drawings in another way than as JPEGs."""

    @property
    def viewers(self) -> int:
        """Who look; nobody looking, it is given nothing."""

    def take(self, drawing: Drawing) -> None:
        """Takes the newest drawing, from any thread."""


class Broadcast(Sink):
    """A sink that shows the overlay to whoever looks; nobody looking, nothing is encoded.

    Args:
        long_edge: Larger pictures are scaled down to it.
        quality: Of the JPEGs, 1 to 100.

    Attributes:
        feeds: Whoever else takes the drawings.
    """

    name = "page"
    is_view = True

    def __init__(self, *, long_edge: int = 1280, quality: int = 80) -> None:
        self._long_edge, self._quality = long_edge, quality
        self._viewers: dict[asyncio.Event, asyncio.AbstractEventLoop] = {}
        self.feeds: list[Feed] = []
        self._lock = Lock()
        self._latest: tuple[Frame, FrameResult] | None = None
        self._picture: Picture | None = None
        self._preview: tuple[FrameResult, Picture] | None = None
        self._closed = False

    @property
    def viewers(self) -> int:
        return len(self._viewers) + sum(feed.viewers for feed in self.feeds)

    @property
    def full(self) -> bool:
        """Whether no further viewer is taken."""
        return self.viewers >= MAX_VIEWERS

    def write(self, frame: Frame, result: FrameResult) -> None:
        self._latest = (frame, result)
        picture = None
        if self.viewers:
            drawing = draw(frame, result, long_edge=self._long_edge)
            picture = drawing.jpeg(self._quality) if self._viewers else None
            self._feed(drawing)
        self._picture = picture
        self._tell()

    def repeat(self) -> None:
        """Gives the feeds the newest drawing once more, for whoever has just come."""
        latest = self._latest
        if latest is not None:
            self._feed(draw(*latest, long_edge=self._long_edge))

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
            small = draw(*latest, long_edge=_PREVIEW_EDGE).jpeg(_PREVIEW_QUALITY)
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

    def _feed(self, drawing: Drawing) -> None:
        for feed in self.feeds:
            if feed.viewers:
                feed.take(drawing)

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
        return draw(frame, result, long_edge=self._long_edge).jpeg(self._quality)
