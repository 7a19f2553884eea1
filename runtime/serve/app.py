"""The web application: routes to the API, the pictures, the page and the figures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ermu.runtime.serve.answers import not_served
from ermu.runtime.serve.api import Api
from ermu.runtime.serve.guard import Access, Guard
from ermu.runtime.serve.openapi import openapi
from ermu.runtime.serve.operation.endpoints import Operation
from ermu.runtime.serve.sessions import Sessions
from ermu.runtime.serve.streams import ServedStream
from ermu.runtime.serve.video import Pictures
from ermu.runtime.serve.views.assets import page_routes
from ermu.runtime.serve.webrtc import opened_calls
from ermu.version import __version__

if TYPE_CHECKING:
    from ermu.runtime.serve.webrtc.calls import Calls

SESSION_PATH = "/api/streams/{stream}/session"
Endpoint = Callable[[Request], Awaitable[Response]]


def create_app(streams: Mapping[str, ServedStream], access: Access | None = None) -> Starlette:
    """The application; its pages are read once, so no address reaches the file system.

    Args:
        streams: By name.
        access: Who may ask.
    """
    refused: Counter[int] = Counter()
    api = Api(streams)
    calls = opened_calls(api)
    routes = [*page_routes(), *_api_routes(api, calls), *_picture_routes(Pictures(api))]
    sessions = Sessions(api)
    routes.append(_by_method(SESSION_PATH, {"GET": sessions.give, "PUT": sessions.take}))
    routes += _operation_routes(Operation(streams, refused))
    description = openapi(list(streams), __version__, calls=calls is not None)
    routes.append(Route("/openapi.json", _described(description)))
    guard = Middleware(Guard, access=access or Access(), refused=refused)
    refusals = {HTTPException: not_served}
    ending = None if calls is None else calls.lifespan
    app = Starlette(routes=routes, middleware=[guard], exception_handlers=refusals, lifespan=ending)
    app.router.redirect_slashes = False
    return app


def _api_routes(api: Api, calls: Calls | None) -> Iterator[Route]:
    one, objects = "/api/streams/{stream}", "/api/streams/{stream}/objects"
    yield Route("/api/streams", api.list_streams, methods=["GET"])
    yield Route(one, api.show_stream, methods=["GET"])
    yield _by_method(objects, {"GET": api.list_objects, "POST": api.add_objects})
    yield _by_method(objects + "/{id:int}", {"PATCH": api.rename_object, "DELETE": api.remove_object})
    yield Route(objects + "/{id:int}/refine", api.refine_object, methods=["POST"])
    yield Route(objects + "/{id:int}/undo", api.undo, methods=["POST"])
    yield Route(one + "/memory", api.show_memory, methods=["GET"])
    yield Route(one + "/control", api.control, methods=["POST"])
    if calls is not None:
        yield Route(one + "/webrtc", calls.call, methods=["POST"])


def _picture_routes(pictures: Pictures) -> Iterator[Route]:
    yield Route("/streams/{stream}/video.mjpeg", pictures.video, methods=["GET"])
    yield Route("/streams/{stream}/frame.jpg", pictures.snapshot, methods=["GET"])
    yield Route("/streams/{stream}/preview.jpg", pictures.preview, methods=["GET"])


def _operation_routes(operation: Operation) -> Iterator[Route]:
    yield Route("/healthz", operation.alive)
    yield Route("/readyz", operation.ready)
    yield Route("/metrics", operation.figures)


def _described(description: dict[str, Any]) -> Endpoint:
    async def describe(request: Request) -> Response:
        root = request.scope.get("root_path")
        return JSONResponse({**description, "servers": [{"url": root}]} if root else description)

    return describe


def _by_method(path: str, handlers: Mapping[str, Endpoint]) -> Route:
    """A route's methods, each with its handler; any other is answered with 405."""

    async def handle(request: Request) -> Response:
        return await handlers["GET" if request.method == "HEAD" else request.method](request)

    return Route(path, handle, methods=list(handlers))
