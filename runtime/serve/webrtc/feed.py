"""A stream's pictures for viewers over WebRTC: encoded once, the newest only."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from threading import Lock
from typing import Any

from aiortc import MediaStreamTrack
from aiortc.mediastreams import MediaStreamError

from ermu.runtime.serve.views.picture import Drawing
from ermu.runtime.serve.webrtc.encoder import EncodedPicture, Encoder

_MOST_WAITING = 8  # pictures; a viewer who is so late goes on with the next one that stands by itself


class Feed:
    """Takes what a stream shows and hands it to every track.

    Args:
        again: Shows the newest picture once more: whoever comes to a stream that stands still sees it, too.
    """

    def __init__(self, again: Callable[[], None]) -> None:
        self.again = again
        self._tracks: set[FeedTrack] = set()
        self._encoder, self._lock = Encoder(), Lock()
        self._key = False

    @property
    def viewers(self) -> int:
        return len(self._tracks)

    def take(self, drawing: Drawing) -> None:
        """Encodes a picture, where somebody looks."""
        with self._lock:
            tracks = list(self._tracks)
            if not tracks:
                return
            key, self._key = self._key, False
            encoded = self._encoder.encode(drawing.image, key=key)
        if encoded is None:
            return
        for track in tracks:
            track.put(encoded, drawing.about)

    def join(self, track: FeedTrack) -> None:
        """From the next picture on, which can be shown by itself, the track gets all."""
        with self._lock:
            self._tracks.add(track)
            self._key = True

    def leave(self, track: FeedTrack) -> None:
        self._tracks.discard(track)

    def want_key(self) -> None:
        """The next picture is to be one that can be shown by itself."""
        self._key = True


class FeedTrack(MediaStreamTrack):
    """A viewer's track; it joins the feed when its connection stands.

    Attributes:
        tell: Called in the loop with what each picture shows, before it is sent.
    """

    kind = "video"

    def __init__(self, feed: Feed) -> None:
        super().__init__()
        self.tell: Callable[[str], None] = lambda about: None
        self._feed, self._home = feed, asyncio.get_running_loop()
        self._queue: deque[tuple[EncodedPicture, str]] = deque()
        self._came = asyncio.Event()
        self._joined = self._whole = False

    async def recv(self) -> Any:
        """The next picture, encoded."""
        if not self._joined:
            self._joined = True
            self._feed.join(self)
            await asyncio.to_thread(self._feed.again)
        while not self._queue:
            if self.readyState != "live":
                raise MediaStreamError
            self._came.clear()
            await self._came.wait()
        encoded, about = self._queue.popleft()
        self.tell(about)
        return encoded.packet()

    def put(self, encoded: EncodedPicture, about: str) -> None:
        """Takes a picture, from any thread."""
        try:
            self._home.call_soon_threadsafe(self._take, encoded, about)
        except RuntimeError:  # the server's loop has ended
            self._feed.leave(self)

    def stop(self) -> None:
        super().stop()
        self._feed.leave(self)
        self._came.set()

    def _take(self, encoded: EncodedPicture, about: str) -> None:
        if encoded.key:
            self._queue.clear()
            self._whole = True
        elif len(self._queue) >= _MOST_WAITING:
            self._queue.clear()
            self._whole = False
            self._feed.want_key()
        if not self._whole:  # what follows a gap cannot be shown
            return
        self._queue.append((encoded, about))
        self._came.set()
