"""The web application: routes to the API, the pictures, the page and the figures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Mapping

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ermu.runtime.serve.access.connections import SCOPE_KEY
from ermu.runtime.serve.api import Api
from ermu.runtime.serve.guard import ADMITTED, Access, Guard
from ermu.runtime.serve.openapi import openapi
from ermu.runtime.serve.operation.metrics import exposition
from ermu.runtime.serve.operation.readiness import readiness
from ermu.runtime.serve.streams import ServedStream
from ermu.runtime.serve.video import Pictures
from ermu.runtime.serve.views.assets import page_routes
from ermu.runtime.serve.webrtc import opened_calls
from ermu.version import __version__

Endpoint = Callable[[Request], Awaitable[Response]]


def create_app(streams: Mapping[str, ServedStream], access: Access | None = None) -> Starlette:
    """The application; its pages are read once, so no address reaches the file system.

    Args:
        streams: By name.
        access: Who may ask.
    """
    api = Api(streams)
    pictures = Pictures(api)
    calls = opened_calls(api)
    description = openapi(list(streams), __version__, calls=calls is not None)

    refused: Counter[int] = Counter()

    async def alive(request: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def ready(request: Request) -> Response:
        body = readiness(streams)
        status = 200 if body["ready"] else 503
        return JSONResponse(body if request.scope[ADMITTED] else {**body, "streams": []}, status)

    async def figures(request: Request) -> Response:
        connection, accepted = request.scope.get(SCOPE_KEY), request.headers.get("accept", "")
        pool = connection.pool if connection is not None else None
        text, kind = await run_in_threadpool(exposition, streams, refused, pool, accepted)
        return Response(text, headers={"Content-Type": kind})

    async def describe(request: Request) -> Response:
        root = request.scope.get("root_path")
        return JSONResponse({**description, "servers": [{"url": root}]} if root else description)

    one, objects = "/api/streams/{stream}", "/api/streams/{stream}/objects"
    routes = [
        *page_routes(),
        Route("/api/streams", api.list_streams, methods=["GET"]),
        Route(one, api.show_stream, methods=["GET"]),
        Route(
            objects, _by_method({"GET": api.list_objects, "POST": api.add_objects}), methods=["GET", "POST"]
        ),
        Route(
            objects + "/{id:int}",
            _by_method({"PATCH": api.rename_object, "DELETE": api.remove_object}),
            methods=["PATCH", "DELETE"],
        ),
        Route(objects + "/{id:int}/refine", api.refine_object, methods=["POST"]),
        Route(objects + "/{id:int}/undo", api.undo, methods=["POST"]),
        Route(one + "/memory", api.show_memory, methods=["GET"]),
        Route(one + "/control", api.control, methods=["POST"]),
        Route("/streams/{stream}/video.mjpeg", pictures.video, methods=["GET"]),
        Route("/streams/{stream}/frame.jpg", pictures.snapshot, methods=["GET"]),
        Route("/streams/{stream}/preview.jpg", pictures.preview, methods=["GET"]),
        Route("/healthz", alive),
        Route("/readyz", ready),
        Route("/metrics", figures),
        Route("/openapi.json", describe),
    ]
    if calls is not None:
        routes.append(Route(one + "/webrtc", calls.call, methods=["POST"]))
    guard = Middleware(Guard, access=access or Access(), refused=refused)
    refusals = {HTTPException: _not_served}
    ending = None if calls is None else calls.lifespan
    app = Starlette(routes=routes, middleware=[guard], exception_handlers=refusals, lifespan=ending)
    app.router.redirect_slashes = False
    return app


def _by_method(handlers: Mapping[str, Endpoint]) -> Endpoint:
    """One route's methods, each with its handler; any other is answered with 405."""

    async def handle(request: Request) -> Response:
        return await handlers["GET" if request.method == "HEAD" else request.method](request)

    return handle


async def _not_served(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    body = {"problem": f"{error.detail}.", "expected": None, "fix": "see /openapi.json"}
    return JSONResponse(body, error.status_code, headers=error.headers)
