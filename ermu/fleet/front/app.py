"""The fleet's web application: the page and API of `ermu serve`, over every worker's streams."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator

import aiohttp
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ermu.fleet.board import Worker
from ermu.fleet.fleet import Fleet
from ermu.fleet.front.api import FleetApi
from ermu.fleet.front.description import described
from ermu.fleet.front.metrics import PLAIN, exposition
from ermu.fleet.front.proxy import Proxy
from ermu.runtime.serve.answers import not_served
from ermu.runtime.serve.guard import Access, Guard
from ermu.runtime.serve.views.assets import page_routes

_METRICS_SECONDS = 5.0
_METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]


def create_front(fleet: Fleet, access: Access | None = None) -> Starlette:
    """The application.

    Args:
        fleet: That it shows; started by the caller.
        access: Who may ask.
    """
    proxy, refused = Proxy(fleet), Counter[int]()
    guard = Middleware(Guard, access=access or Access(), refused=refused)
    routes = [*page_routes(), *_own_routes(fleet, proxy), *_passed_routes(proxy)]
    app = Starlette(
        routes=routes,
        middleware=[guard],
        exception_handlers={HTTPException: not_served},
        lifespan=proxy.lifespan,
    )
    app.router.redirect_slashes = False
    return app


def _own_routes(fleet: Fleet, proxy: Proxy) -> Iterator[Route]:
    api = FleetApi(fleet)

    async def figures(request: Request) -> Response:
        told = await asyncio.gather(*(_told(proxy, worker) for worker in fleet.workers()))
        accepted = request.headers.get("accept", "")
        text, kind = exposition(fleet.status(), {name: text for name, text in told if text}, accepted)
        return Response(text, headers={"Content-Type": kind})

    async def describe(request: Request) -> Response:
        return JSONResponse(described(list(fleet.streams), request.scope.get("root_path")))

    async def streams(request: Request) -> Response:
        return await (api.add(request) if request.method == "POST" else api.list_streams(request))

    async def stream(request: Request) -> Response:
        return await (api.remove(request) if request.method == "DELETE" else proxy.pass_on(request))

    yield Route("/api/streams", streams, methods=["GET", "POST"])
    yield Route("/api/streams/{stream}", stream, methods=["GET", "DELETE"])
    yield Route("/api/streams/{stream}/move", api.move, methods=["POST"])
    yield Route("/api/fleet", api.status, methods=["GET"])
    yield Route("/healthz", api.alive)
    yield Route("/readyz", api.ready)
    yield Route("/metrics", figures)
    yield Route("/openapi.json", describe)


def _passed_routes(proxy: Proxy) -> Iterator[Route]:
    yield Route("/api/streams/{stream}/{rest:path}", proxy.pass_on, methods=_METHODS)
    yield Route("/streams/{stream}/{rest:path}", proxy.pass_on, methods=["GET"])


async def _told(proxy: Proxy, worker: Worker) -> tuple[str, str]:
    """A worker's figures; nothing where it does not answer in time, which others do not wait for."""
    try:
        text, _ = await asyncio.wait_for(proxy.text(worker, "/metrics", PLAIN), _METRICS_SECONDS)
    except (aiohttp.ClientError, asyncio.TimeoutError):
        return worker.name, ""
    return worker.name, text
