"""Who may ask what, how often and how much: token, host, origin, rate and size, before any handler runs."""

from __future__ import annotations

import hmac
import logging
from collections import OrderedDict
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from time import monotonic
from urllib.parse import parse_qs, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ermu.runtime.timing.interval import Interval

_COOKIE = "ermu_token"
_LOCAL_HOSTS = ("127.0.0.1", "localhost", "::1")
_OPEN_PATHS = ("/healthz",)
_CLIENTS = 1024
_TELL_SECONDS = 60.0  # between two log lines about requests that were refused
_HEADERS = {
    "Content-Security-Policy": "default-src 'self'; img-src 'self' blob: data:; frame-ancestors 'none'; "
    "base-uri 'none'; form-action 'self'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}

logger = logging.getLogger("ermu.serve")


@dataclass(frozen=True)
class Access:
    """The rules.

    Attributes:
        token: Asked of every request, where set.
        local_only: Answer only to names of this machine, so that a foreign page cannot reach the server
            through a name of its own (DNS rebinding).
        max_body: Bytes of a request's body.
        rate: Requests a second that a client may go on making.
        burst: Requests that it may make at once.
    """

    token: str | None = None
    local_only: bool = True
    max_body: int = 8 << 20
    rate: float = 50.0
    burst: float = 200.0


class Guard:
    """ASGI middleware that applies `Access` and sets the answer's security headers."""

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self._app, self._access = app, access
        self._say_refused = Interval(_TELL_SECONDS)
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        guarded = _with_headers(send)
        refusal = self._refusal(scope)
        if refusal is not None:
            if refusal.status_code >= 400 and self._say_refused.due():
                client = scope["client"][0] if scope.get("client") else "somebody"
                logger.warning("A request of %s was refused with status %d.", client, refusal.status_code)
            await refusal(scope, receive, guarded)
            return
        body = _Body(receive, guarded, self._access.max_body)
        try:
            await self._app(scope, body.receive, body.send)
        except _TooLargeError:
            if not body.answering:
                await _too_large(self._access.max_body)(scope, receive, guarded)

    def _refusal(self, scope: Scope) -> Response | None:
        """The answer to a request that may not pass."""
        headers, access = Headers(scope=scope), self._access
        client = scope["client"][0] if scope.get("client") else ""
        wait = self._wait(client)
        if wait > 0:
            problem = _problem(429, "Too many requests.", fix=f"try again in {wait:.1f} seconds")
            problem.headers["Retry-After"] = str(max(1, round(wait)))
            return problem
        host = headers.get("host", "")
        if access.local_only and _hostname(host) not in _LOCAL_HOSTS:
            return _problem(403, f"The host '{host[:80]}' is not this machine.", expected="localhost")
        origin = headers.get("origin")
        if origin is not None and origin != f"{scope['scheme']}://{host}":
            return _problem(403, f"The origin '{origin[:80]}' may not ask here.", expected="the page's own")
        if headers.get("sec-fetch-site") == "cross-site":
            return _problem(403, "Another site's page may not ask here.")
        if access.token and scope["path"] not in _OPEN_PATHS:
            return self._without_token(scope, headers, access.token)
        length = headers.get("content-length", "0")
        if length.isdecimal() and int(length) > access.max_body:
            return _too_large(access.max_body)
        return None

    def _without_token(self, scope: Scope, headers: Headers, token: str) -> Response | None:
        scheme, _, bearer = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and _equal(bearer, token):
            return None
        if _equal(_cookie(headers), token):
            return None
        asked = parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[0]
        if scope["path"] == "/" and _equal(asked, token):
            answer = RedirectResponse("/", status_code=303)
            answer.set_cookie(_COOKIE, token, httponly=True, samesite="strict")
            return answer
        problem = _problem(
            401, "The token is missing or wrong.", fix="open /?token=..., or send it as Bearer"
        )
        problem.headers["WWW-Authenticate"] = "Bearer"
        return problem

    def _wait(self, client: str) -> float:
        """Seconds until a client may ask again; counts this request if that is now."""
        now, access = monotonic(), self._access
        left, then = self._buckets.pop(client, (access.burst, now))
        left = min(access.burst, left + access.rate * (now - then))
        passes = left >= 1
        self._buckets[client] = (left - passes, now)
        if len(self._buckets) > _CLIENTS:
            self._buckets.popitem(last=False)
        return 0.0 if passes else (1 - left) / access.rate


class _TooLargeError(Exception):
    pass


class _Body:
    """Counts a body's bytes, whatever its headers said, and notes when the answer begins."""

    def __init__(self, receive: Receive, send: Send, limit: int) -> None:
        self._receive, self._send, self._left = receive, send, limit
        self.answering = False

    async def receive(self) -> Message:
        message = await self._receive()
        self._left -= len(message.get("body", b""))
        if self._left < 0:
            raise _TooLargeError
        return message

    async def send(self, message: Message) -> None:
        self.answering = True
        await self._send(message)


def _with_headers(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in _HEADERS.items():
                headers.setdefault(name, value)
        await send(message)

    return sending


def _problem(
    status: int, problem: str, *, expected: str | None = None, fix: str | None = None
) -> JSONResponse:
    return JSONResponse({"problem": problem, "expected": expected, "fix": fix}, status)


def _too_large(limit: int) -> JSONResponse:
    return _problem(413, "The body is too large.", expected=f"at most {limit} bytes")


def _equal(given: str, token: str) -> bool:
    return hmac.compare_digest(given.encode("utf-8", "surrogateescape"), token.encode())


def _cookie(headers: Headers) -> str:
    try:
        morsel = SimpleCookie(headers.get("cookie", "")).get(_COOKIE)
    except CookieError:
        return ""
    return morsel.value if morsel else ""


def _hostname(host: str) -> str:
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""
