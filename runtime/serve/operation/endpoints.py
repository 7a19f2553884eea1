"""What those who operate a server ask it: whether it lives, whether it is ready, its figures."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from ermu.runtime.serve.access.connections import SCOPE_KEY
from ermu.runtime.serve.guard import ADMITTED
from ermu.runtime.serve.operation.metrics import exposition
from ermu.runtime.serve.operation.readiness import readiness
from ermu.runtime.serve.streams import ServedStream


class Operation:
    """Handlers over the streams that this server has.

    Args:
        streams: By name.
        refused: Refusals by status, counted by the guard.
    """

    def __init__(self, streams: Mapping[str, ServedStream], refused: Mapping[int, int]) -> None:
        self._streams, self._refused = streams, refused

    async def alive(self, request: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def ready(self, request: Request) -> Response:
        """503 with a stream that is not; the reasons are for those who are admitted."""
        body = readiness(self._streams)
        status = 200 if body["ready"] else 503
        return JSONResponse(body if request.scope[ADMITTED] else {**body, "streams": []}, status)

    async def figures(self, request: Request) -> Response:
        connection, accepted = request.scope.get(SCOPE_KEY), request.headers.get("accept", "")
        pool = connection.pool if connection is not None else None
        text, kind = await run_in_threadpool(exposition, self._streams, self._refused, pool, accepted)
        return Response(text, headers={"Content-Type": kind})
