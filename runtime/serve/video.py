"""Pictures over HTTP: the overlay as an endless multipart answer, and one picture to draw on."""

from __future__ import annotations

from contextlib import aclosing

import anyio
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from ermu.runtime.serve.answers import refusal
from ermu.runtime.serve.api import Api, RefusedError
from ermu.runtime.serve.broadcast import Broadcast
from ermu.runtime.serve.streams import ServedStream
from ermu.runtime.serve.views.picture import Picture
from ermu.runtime.streams.tracker import no_frame

_BOUNDARY = b"ermu-frame"
_SEND_SECONDS = 15.0  # longer than the kernel's own limit, see server.py: that one also closes the socket


class MjpegResponse(Response):
    """Each part the newest picture; a viewer that does not read misses pictures, and is let go in the end."""

    def __init__(self, broadcast: Broadcast) -> None:
        kind = f"multipart/x-mixed-replace; boundary={_BOUNDARY.decode()}"
        super().__init__(media_type=kind, headers={"X-Accel-Buffering": "no"})  # a proxy passes it on at once
        self._broadcast = broadcast
        del self.headers["content-length"]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        # anyio cancels until it is obeyed; asyncio.wait_for before Python 3.12 may swallow a cancellation
        async with anyio.create_task_group() as viewing:
            viewing.start_soon(_cancel_when_gone, receive, viewing.cancel_scope)
            await self._show(send)
            viewing.cancel_scope.cancel()

    async def _show(self, send: Send) -> None:
        async with aclosing(self._broadcast.pictures()) as pictures:
            async for picture in pictures:
                with anyio.move_on_after(_SEND_SECONDS) as sending:
                    await send({"type": "http.response.body", "body": _part(picture), "more_body": True})
                if sending.cancelled_caught:
                    return
        await send({"type": "http.response.body", "body": b"--%s--\r\n" % _BOUNDARY, "more_body": False})


def _part(picture: Picture) -> bytes:
    head = b"--%s\r\nContent-Type: image/jpeg\r\nX-Ermu-Picture: %s\r\nContent-Length: %d\r\n\r\n"
    return head % (_BOUNDARY, picture.about.encode(), len(picture.jpeg)) + picture.jpeg + b"\r\n"


async def _cancel_when_gone(receive: Receive, viewing: anyio.CancelScope) -> None:
    while (await receive())["type"] != "http.disconnect":
        continue
    viewing.cancel()


class Pictures:
    """Handlers of a stream's pictures."""

    def __init__(self, api: Api) -> None:
        self._api = api

    async def video(self, request: Request) -> Response:
        """The overlay as MJPEG."""
        try:
            stream = self._api.stream(request)
        except RefusedError as refused:
            return refused.answer
        if stream.broadcast.full:
            return refusal(503, "Too many viewers.", fix="close another page")
        return Response() if request.method == "HEAD" else MjpegResponse(stream.broadcast)

    async def snapshot(self, request: Request) -> Response:
        """The newest picture; its frame number, in X-Ermu-Frame, may be drawn on for a while."""
        try:
            stream = self._api.stream(request)
        except RefusedError as refused:
            return refused.answer
        shown = stream.pipeline.snapshot()
        if shown is None:
            return _no_frame(stream)
        picture = await run_in_threadpool(stream.broadcast.encoded, shown.frame, shown.result)
        return _jpeg(picture, {"X-Ermu-Frame": str(shown.result.frame)})

    async def preview(self, request: Request) -> Response:
        """The newest picture, small and cheap; unlike a snapshot's its frame is not kept to be drawn on."""
        try:
            stream = self._api.stream(request)
        except RefusedError as refused:
            return refused.answer
        picture = await run_in_threadpool(stream.broadcast.preview)
        return _no_frame(stream) if picture is None else _jpeg(picture, {})


def _jpeg(picture: Picture, headers: dict[str, str]) -> Response:
    return Response(
        picture.jpeg, media_type="image/jpeg", headers={"X-Ermu-Picture": picture.about, **headers}
    )


def _no_frame(stream: ServedStream) -> Response:
    told = no_frame(stream.pipeline.trouble)
    return refusal(409, told.problem, fix=told.fix)
