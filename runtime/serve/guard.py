"""Who may ask what, how often and how much: token, host, origin, rate and size, before any handler runs."""

from __future__ import annotations

import logging
from collections import Counter, OrderedDict
from dataclasses import dataclass, field
from time import monotonic

from starlette.datastructures import Headers
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from ermu.logs import Repeats
from ermu.runtime.serve.access.addresses import is_local, origin_of, site_of
from ermu.runtime.serve.access.connections import SCOPE_KEY
from ermu.runtime.serve.access.exchange import Exchange, TooLargeError, TooSlowError
from ermu.runtime.serve.access.proxy import Proxy, inner_path
from ermu.runtime.serve.access.token import Token
from ermu.runtime.serve.answers import refusal
from ermu.runtime.serve.views.assets import token_page

OPEN_PATHS = ("/healthz", "/readyz")  # for orchestrators, which have no token; the latter without reasons
ADMITTED = "ermu.admitted"  # in the scope: whether the request brought the token, where there is one
_CLIENTS = 1024

logger = logging.getLogger("ermu.serve")


@dataclass(frozen=True)
class Access:
    """The rules.

    Attributes:
        token: Asked of every request, where set.
        local_only: Answer only to names of this machine, so that a foreign page cannot reach the server
            through a name of its own (DNS rebinding).
        max_body: Bytes of a request's body.
        max_session: Bytes of a session that is put into a stream.
        rate: Requests a second that a client may go on making.
        burst: Requests that it may make at once.
        proxy: What stands in front of the server.
    """

    token: str | None = None
    local_only: bool = True
    max_body: int = 8 << 20
    max_session: int = 512 << 20
    rate: float = 50.0
    burst: float = 200.0
    proxy: Proxy = field(default_factory=Proxy)

    def limit(self, scope: Scope) -> int:
        """Bytes that the body of a request may have."""
        is_session = scope["method"] == "PUT" and inner_path(scope).endswith("/session")
        return self.max_session if is_session else self.max_body


class Guard:
    """ASGI middleware that applies `Access` and sets the answer's security headers.

    Args:
        app: What it guards.
        access: The rules.
        refused: Where it counts what it refuses, by status.
    """

    def __init__(self, app: ASGIApp, access: Access, refused: Counter[int]) -> None:
        self._app, self._access, self._refused = app, access, refused
        self._token = Token(access.token) if access.token else None
        self._repeats = Repeats()
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        scope = self._access.proxy.seen(scope)
        limit = self._access.limit(scope)
        exchange = Exchange(scope, receive, send, limit)
        refusal = self._refusal(scope)
        if refusal is not None:
            self._tell(scope, refusal.status_code)
            await refusal(scope, exchange.receive, exchange.send)
            return
        try:
            await self._app(scope, exchange.receive, exchange.send)
        except (TooLargeError, TooSlowError) as error:
            answer = _too_large(limit) if isinstance(error, TooLargeError) else _too_slow()
            self._tell(scope, answer.status_code)
            if not exchange.answering:
                await answer(scope, exchange.receive, exchange.send)

    def _refusal(self, scope: Scope) -> Response | None:
        """The answer to a request that may not pass."""
        headers, access = Headers(scope=scope), self._access
        wait = self._wait(site_of(scope["client"][0] if scope.get("client") else ""))
        if wait > 0:
            told = refusal(429, "Too many requests.", fix=f"try again in {wait:.1f} seconds")
            told.headers["Retry-After"] = str(max(1, round(wait)))
            return told
        host = headers.get("host", "")
        if access.local_only and not is_local(host):
            return refusal(
                403, f"The host '{host[:80]}' is not this machine.", expected="localhost",
                fix="for other names: --host or --public-url, with a token",
            )  # fmt: skip
        foreign = self._foreign(scope, headers, host)
        if foreign is not None:
            return foreign
        if not inner_path(scope):  # the page's relative addresses need the slash
            return RedirectResponse(_with_slash(scope), status_code=308)
        scope[ADMITTED] = self._token is None or self._token.is_in(headers)
        if not scope[ADMITTED] and inner_path(scope) not in OPEN_PATHS:
            return self._without_token(scope)
        connection = scope.get(SCOPE_KEY)
        if scope[ADMITTED] and connection is not None and not connection.admit():
            return refusal(503, "Too many connections.", fix="close another page")
        length = headers.get("content-length", "0")
        if length.isdecimal() and int(length) > access.limit(scope):
            return _too_large(access.limit(scope))
        return None

    def _foreign(self, scope: Scope, headers: Headers, host: str) -> Response | None:
        """The answer to what another site's page asks."""
        origin = headers.get("origin")
        own = {origin_of(f"{scope['scheme']}://{host}"), self._access.proxy.origin} - {None}
        if origin is not None and origin_of(origin) not in own:
            return refusal(
                403, f"The origin '{origin[:80]}' may not ask here.", expected="the page's own",
                fix="behind a proxy: --public-url with the page's address there, or --trust-proxy",
            )  # fmt: skip
        if headers.get("sec-fetch-site") == "cross-site":
            return refusal(
                403, "Another site's page may not ask here.", fix="open the page at its own address"
            )
        return None

    def _without_token(self, scope: Scope) -> Response:
        if inner_path(scope) == "/" and self._token is not None and self._token.is_asked(scope):
            answer = RedirectResponse("./", status_code=303)
            public = self._access.proxy.origin
            secure = "https" in (scope["scheme"], public[0] if public is not None else None)
            self._token.give(answer, scope, secure=secure)
            return answer
        told: Response
        if inner_path(scope) == "/" and "text/html" in Headers(scope=scope).get("accept", ""):
            told = Response(token_page(), 401, media_type="text/html; charset=utf-8")
        else:
            fix = "open /?token=..., or send it as Authorization: Bearer"
            told = refusal(401, "The token is missing or wrong.", fix=fix)
        told.headers["WWW-Authenticate"] = "Bearer"
        return told

    def _tell(self, scope: Scope, status: int) -> None:
        """Counts a refusal, and says so now and then."""
        if status < 400:
            return
        self._refused[status] += 1
        client = scope["client"][0] if scope.get("client") else "somebody"
        left_out = self._repeats.left_out((client, status))
        if left_out is not None:
            more = {"left_out": left_out}
            logger.warning("A request of %s was refused with status %d.", client, status, extra=more)

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


def _too_large(limit: int) -> JSONResponse:
    return refusal(413, "The body is too large.", expected=f"at most {limit} bytes", fix="send less at once")


def _too_slow() -> JSONResponse:
    return refusal(408, "The body does not come.", fix="send it faster")


def _with_slash(scope: Scope) -> str:
    query = scope["query_string"].decode("latin-1")
    return f"{scope['path'].rpartition('/')[2]}/{f'?{query}' if query else ''}"
