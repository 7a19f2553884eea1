"""Sessions over the API: a stream's memory taken along, and another's taken in."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from starlette.background import BackgroundTask
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response

from ermu.runtime.serve.api import Api, answered, media_type, show_latest, unknown_type
from ermu.runtime.session.session import Session
from ermu.runtime.streams.sessions.folder import SUFFIX
from ermu.runtime.streams.sessions.snapshots import check_bounded

BINARY = "application/octet-stream"


class Sessions:
    """Handlers for `/api/streams/{stream}/session`.

    Args:
        api: Finds the streams.
    """

    def __init__(self, api: Api) -> None:
        self._api = api

    async def give(self, request: Request) -> Response:
        """The session as it is now, a file."""
        return await _give(self._api, request)

    async def take(self, request: Request) -> Response:
        """Has the stream go on from the session in the body."""
        return await _take(self._api, request)


@answered
async def _give(api: Api, request: Request) -> Response:
    stream, path = api.stream(request), _temporary()
    try:
        await run_in_threadpool(stream.pipeline.save, path)
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    done, name = BackgroundTask(path.unlink, missing_ok=True), f"{stream.pipeline.name}{SUFFIX}"
    return FileResponse(path, media_type=BINARY, filename=name, background=done)


@answered
async def _take(api: Api, request: Request) -> Response:
    stream = api.stream(request)
    if media_type(request) != BINARY:
        raise unknown_type(BINARY)
    path = _temporary()
    try:
        with path.open("wb") as file:
            async for part in request.stream():
                file.write(part)
        session = await run_in_threadpool(_read, path)
        await run_in_threadpool(stream.pipeline.resume_session, session)
    finally:
        path.unlink(missing_ok=True)
    await show_latest(stream)
    return JSONResponse(stream.info())


def _read(path: Path) -> Session:
    session = Session.read(path, called="The body")
    check_bounded(session)
    return session


def _temporary() -> Path:
    handle, name = tempfile.mkstemp(suffix=SUFFIX)
    os.close(handle)
    return Path(name)
