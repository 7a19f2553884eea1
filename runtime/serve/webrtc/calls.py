"""Viewers' offers answered: who asks is checked as for any other address, before it comes here."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiortc import RTCConfiguration, RTCPeerConnection, RTCRtpSender, RTCSessionDescription
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from ermu.runtime.serve.api import Api, RefusedError, body_of
from ermu.runtime.serve.bodies import Bodies
from ermu.runtime.serve.broadcast import MAX_VIEWERS, Broadcast
from ermu.runtime.serve.schemas import Offer
from ermu.runtime.serve.webrtc.feed import Feed, FeedTrack

_CONNECT_SECONDS = 15.0
_CLOSE_SECONDS = 0.5
_GONE = ("failed", "closed")
_OFFER: Bodies[Offer] = Bodies(Offer)
_MOST_BUFFERED = 65536  # bytes of what the pictures show; a viewer who takes none of it is left without


class Calls:
    """Connections to viewers, each until either side ends it; for the server's event loop alone.

    Args:
        api: To find streams.
    """

    def __init__(self, api: Api) -> None:
        self._api = api
        self._feeds: dict[Broadcast, Feed] = {}
        self._watches: set[asyncio.Task[None]] = set()

    async def call(self, request: Request) -> Response:
        """A viewer's call of the stream that the address names."""
        try:
            stream = self._api.stream(request)
            offer = await body_of(request, _OFFER)
            return JSONResponse({"sdp": await self._answer(stream.broadcast, offer.sdp)})
        except RefusedError as refused:
            return refused.answer

    @asynccontextmanager
    async def lifespan(self, app: object) -> AsyncIterator[None]:
        """As long as the application lasts; every call ends with it."""
        yield
        for watch in self._watches:
            watch.cancel()
        if self._watches:
            await asyncio.wait(self._watches, timeout=_CLOSE_SECONDS)

    async def _answer(self, broadcast: Broadcast, sdp: str) -> str:
        """The answer to a viewer's offer, with every address that this server can be reached at.

        Raises:
            RefusedError: the offer cannot be used, or there are too many viewers.
        """
        if broadcast.full or len(self._watches) >= MAX_VIEWERS:
            raise RefusedError.saying(503, "Too many viewers.", fix="close another page")
        connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        track = FeedTrack(self._feed(broadcast))
        try:
            await _negotiate(connection, track, sdp)
        except Exception as error:  # aiortc's parsers raise whatever Python does on a text they do not expect
            await connection.close()
            raise RefusedError.saying(
                409, "The offer cannot be used.", expected="an SDP offer to receive VP8 video",
                fix="send what the browser's RTCPeerConnection made, whole; or watch video.mjpeg",
            ) from error  # fmt: skip
        watch = asyncio.create_task(_watch(connection, track))
        self._watches.add(watch)
        watch.add_done_callback(self._watches.discard)
        return str(connection.localDescription.sdp)

    def _feed(self, broadcast: Broadcast) -> Feed:
        if broadcast not in self._feeds:
            self._feeds[broadcast] = Feed(broadcast.repeat)
            broadcast.feeds.append(self._feeds[broadcast])
        return self._feeds[broadcast]


async def _negotiate(connection: RTCPeerConnection, track: FeedTrack, sdp: str) -> None:
    @connection.on("datachannel")
    def told(channel: Any) -> None:
        def tell(about: str) -> None:
            if channel.readyState == "open" and channel.bufferedAmount < _MOST_BUFFERED:
                channel.send(about)

        track.tell = tell

    await connection.setRemoteDescription(RTCSessionDescription(sdp, "offer"))
    connection.addTrack(track)
    codecs = RTCRtpSender.getCapabilities("video").codecs
    vp8 = [codec for codec in codecs if codec.mimeType in ("video/VP8", "video/rtx")]
    for transceiver in connection.getTransceivers():
        transceiver.setCodecPreferences(vp8)
    await connection.setLocalDescription(await connection.createAnswer())


async def _watch(connection: RTCPeerConnection, track: FeedTrack) -> None:
    """Ends a connection that is over, or never came about."""
    changed = asyncio.Event()
    connection.on("connectionstatechange", changed.set)
    try:
        while connection.connectionState not in _GONE:
            stands = connection.connectionState == "connected"
            changed.clear()
            await asyncio.wait_for(changed.wait(), None if stands else _CONNECT_SECONDS)
    except asyncio.TimeoutError:
        pass
    finally:
        track.stop()
        await connection.close()
