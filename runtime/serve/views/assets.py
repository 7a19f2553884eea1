"""The page's own files, read once: no address reaches the file system."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

_PAGE = Path(__file__).parents[1] / "page"
_KINDS = {".html": "text/html", ".css": "text/css", ".js": "text/javascript"}
_FIRST = "index.html"
_TOKEN = _PAGE / "token.html"
_TOKEN_PAGE = _TOKEN.read_bytes()


def token_page() -> bytes:
    """What a browser shows whose user has no token yet: how the page is opened, and a field for it."""
    return _TOKEN_PAGE


def page_routes() -> Iterator[Route]:
    """A route to each file of the page; its first one is the root."""
    for file in sorted(_PAGE.rglob("*")):
        if file.suffix in _KINDS and file != _TOKEN:
            name = file.relative_to(_PAGE).as_posix()
            yield _asset("/" if name == _FIRST else f"/{name}", file.read_bytes(), _KINDS[file.suffix])


def _asset(path: str, content: bytes, kind: str) -> Route:
    async def show(request: Request) -> Response:
        return Response(content, media_type=f"{kind}; charset=utf-8")

    return Route(path, show)
