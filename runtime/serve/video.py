"""Pictures over HTTP: the overlay as an endless multipart answer, and one picture to draw on."""

from __future__ import annotations

import asyncio

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from .api import Api, RefusedError
from .broadcast import Broadcast

_BOUNDARY = b"ermu-frame"
_SEND_SECONDS = 10.0


class MjpegResponse(Response):
    """Each part the newest picture; a viewer that does not read misses pictures, and is let go in the end."""

    def __init__(self, broadcast: Broadcast) -> None:
        super().__init__(media_type=f"multipart/x-mixed-replace; boundary={_BOUNDARY.decode()}")
        self._broadcast = broadcast
        del self.headers["content-length"]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        showing = asyncio.ensure_future(self._show(send))
        leaving = asyncio.ensure_future(_disconnected(receive))
        try:
            await asyncio.wait({showing, leaving}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (showing, leaving):
                task.cancel()
            await asyncio.gather(showing, leaving, return_exceptions=True)

    async def _show(self, send: Send) -> None:
        async for jpeg in self._broadcast.pictures():
            head = b"--%s\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n" % (_BOUNDARY, len(jpeg))
            part = {"type": "http.response.body", "body": head + jpeg + b"\r\n", "more_body": True}
            await asyncio.wait_for(send(part), _SEND_SECONDS)
        await send({"type": "http.response.body", "body": b"--%s--\r\n" % _BOUNDARY, "more_body": False})


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        continue


class Pictures:
    """Handlers of a stream's pictures."""

    def __init__(self, api: Api) -> None:
        self._api = api

    async def video(self, request: Request) -> Response:
        """The overlay as MJPEG."""
        try:
            stream = self._api.stream(request)
        except RefusedError as refused:
            return JSONResponse(refused.body, refused.status)
        if stream.broadcast.full:
            body = {"problem": "Too many viewers.", "expected": None, "fix": "close another page"}
            return JSONResponse(body, 503)
        return Response() if request.method == "HEAD" else MjpegResponse(stream.broadcast)

    async def snapshot(self, request: Request) -> Response:
        """The newest picture; its frame number, in X-Ermu-Frame, may be drawn on for a while."""
        try:
            stream = self._api.stream(request)
        except RefusedError as refused:
            return JSONResponse(refused.body, refused.status)
        view = stream.pipeline.snapshot()
        if view is None:
            return JSONResponse({"problem": "No frame has come yet.", "expected": None, "fix": "wait"}, 409)
        jpeg = await run_in_threadpool(stream.broadcast.encoded, view.frame, view.result)
        return Response(jpeg, media_type="image/jpeg", headers={"X-Ermu-Frame": str(view.result.frame)})
