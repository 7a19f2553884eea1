"""Hands requests about a stream on to the worker that has it, and its answer back as it comes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import anyio
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from ermu.fleet.board import Worker
from ermu.fleet.fleet import Fleet
from ermu.runtime.serve.answers import no_stream, refusal

_PASSED_ON = ("accept", "content-type")
_PASSED_BACK = ("content-type", "x-ermu-picture", "x-ermu-frame", "x-accel-buffering", "allow")
_CONNECT_SECONDS = 3.0


class Proxy:
    """To the workers' own servers; frames and pictures take this way, and never the object store.

    Args:
        fleet: Knows who has a stream.
    """

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self._session: aiohttp.ClientSession | None = None

    @asynccontextmanager
    async def lifespan(self, app: Starlette) -> AsyncIterator[None]:
        """Of the application: its connections to the workers end with it."""
        timeout = aiohttp.ClientTimeout(total=None, connect=_CONNECT_SECONDS)
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(timeout=timeout, connector=connector, trust_env=False) as session:
            self._session = session
            yield

    async def pass_on(self, request: Request) -> Response:
        """The worker's answer; 404 where there is no such stream, 503 while none has it."""
        name = request.path_params["stream"]
        if name not in self._fleet.streams:
            return no_stream(self._fleet.streams)
        worker, body = self._fleet.holder(name), await request.body()
        if worker is None:
            why = self._fleet.streams[name].error or "It is being placed."
            return refusal(503, f"No worker has the stream now. {why}", fix="try again")
        return _Passed(self, worker, request, body)

    async def text(self, worker: Worker, path: str, accept: str) -> tuple[str, str]:
        """What a worker answers to a GET, with its media type.

        Raises:
            aiohttp.ClientError: it does not.
        """
        async with self.ask(worker, "GET", path, {"accept": accept}) as answer:
            answer.raise_for_status()
            return await answer.text(), answer.headers.get("content-type", "")

    def ask(
        self, worker: Worker, method: str, path: str, headers: dict[str, str], body: bytes | None = None
    ) -> Any:
        """A request to a worker, as aiohttp's context manager."""
        assert self._session is not None, "the application runs"
        own = {**headers, "authorization": f"Bearer {self._fleet.token}"}
        url = worker.url.rstrip("/") + path
        return self._session.request(method, url, headers=own, data=body, allow_redirects=False)


class _Passed(Response):
    """A worker's answer, a chunk at a time."""

    def __init__(self, proxy: Proxy, worker: Worker, request: Request, body: bytes) -> None:
        super().__init__()
        self._proxy, self._worker, self._request, self._body = proxy, worker, request, body

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with anyio.create_task_group() as passing:
            passing.start_soon(_cancel_when_gone, receive, passing.cancel_scope)
            await self._pass(scope, receive, send)
            passing.cancel_scope.cancel()

    async def _pass(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = self._request
        headers = {name: request.headers[name] for name in _PASSED_ON if name in request.headers}
        path = scope["path"].removeprefix(scope.get("root_path", ""))
        query = scope["query_string"].decode("latin-1")
        try:
            path += f"?{query}" if query else ""
            asked = self._proxy.ask(self._worker, request.method, path, headers, self._body or None)
            async with asked as answer:
                await _send_on(answer, send)
        except (aiohttp.ClientConnectorError, aiohttp.ServerTimeoutError, aiohttp.ServerDisconnectedError):
            answer = refusal(503, "The stream's worker does not answer.", fix="try again")
            await answer(scope, receive, send)


async def _send_on(answer: Any, send: Send) -> None:
    known = ((name, answer.headers.get(name)) for name in _PASSED_BACK)
    headers = [(name.encode(), value.encode()) for name, value in known if value is not None]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    try:
        async for chunk in answer.content.iter_any():
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
    except aiohttp.ClientError:  # the worker has gone in the middle, and the answer ends there
        pass
    await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _cancel_when_gone(receive: Receive, passing: anyio.CancelScope) -> None:
    while (await receive())["type"] != "http.disconnect":
        continue
    passing.cancel()
