"""A request's body and its answer: how large the one may be, how slow, and that the other can be read."""

from __future__ import annotations

from time import monotonic

import anyio
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import Message, Receive, Scope, Send

SECURITY_HEADERS = {
    "Content-Security-Policy": "default-src 'self'; img-src 'self' blob: data:; frame-ancestors 'none'; "
    "base-uri 'none'; form-action 'self'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
_BODY_SECONDS = 10.0  # for a body's first bytes, and beyond what the rate below allows
_BYTES_A_SECOND = 16 << 10  # of a body, at least
_LINGER_SECONDS, _QUIET_SECONDS = 30.0, 5.0  # of the rest of a body that is not wanted; without a byte of it


class TooLargeError(Exception):
    """A body has more bytes than it may."""


class TooSlowError(Exception):
    """A body does not come."""


class Exchange:
    """What an application receives and sends for one request.

    An answer that comes before the body's end is sent at once, and the rest of the body is read and thrown
    away before the connection closes: a client that sends first and reads then finds its answer, where a
    closed connection would only tell it "broken pipe".

    Args:
        scope: Of the request.
        receive: The server's.
        send: The server's.
        limit: Bytes of the body.
    """

    def __init__(self, scope: Scope, receive: Receive, send: Send, limit: int) -> None:
        headers = Headers(scope=scope)
        self._receive, self._send, self._limit = receive, send, limit
        self._received, self._began = 0, monotonic()
        self._complete = headers.get("content-length", "0") == "0" and "transfer-encoding" not in headers
        self._asks_first = "expect" in headers  # and sends no body to an answer that is an end
        self.answering = False

    async def receive(self) -> Message:
        """See ASGI.

        Raises:
            TooLargeError: the body has more bytes than it may, whatever its headers said.
            TooSlowError: it does not come.
        """
        if self._complete:
            return await self._receive()
        left = self._began + _BODY_SECONDS + self._received / _BYTES_A_SECOND - monotonic()
        message = await self._within(left)
        if message is None:
            raise TooSlowError
        if self._received > self._limit:
            raise TooLargeError
        return message

    async def send(self, message: Message) -> None:
        """See ASGI; the answer gets the headers that every one has."""
        if message["type"] == "http.response.start":
            self.answering = True
            headers = MutableHeaders(scope=message)
            for name, value in SECURITY_HEADERS.items():
                headers.setdefault(name, value)
            if not self._complete:
                headers["Connection"] = "close"
        elif not self._complete and not message.get("more_body", False):
            await self._send({**message, "more_body": True})
            await self._linger()
            message = {"type": "http.response.body", "body": b"", "more_body": False}
        await self._send(message)

    async def _within(self, seconds: float) -> Message | None:
        """The next message, None where it does not come in time."""
        message: Message | None = None
        with anyio.move_on_after(max(0.0, seconds)):
            message = await self._receive()
        if message is not None:
            self._received += len(message.get("body", b""))
            self._complete = message["type"] == "http.disconnect" or not message.get("more_body", False)
        return message

    async def _linger(self) -> None:
        until = monotonic() + _LINGER_SECONDS
        while not (self._complete or self._asks_first) and (left := until - monotonic()) > 0:
            if await self._within(min(left, _QUIET_SECONDS)) is None:
                return
