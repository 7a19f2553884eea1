"""Connections whose client has shown that it may ask, and the others, which never crowd them out."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from ermu.runtime.serve.access.addresses import site_of

SCOPE_KEY = "ermu.connection"
_TRIM_SECONDS = 0.1


@dataclass(frozen=True)
class ConnectionLimits:
    """How many connections, and how long one may take to ask.

    Attributes:
        head_seconds: From the connection's begin, or the end of its last answer, to the end of a request's
            head.
        waiting: Connections that have not shown that they may ask. One too many takes the place of the oldest
            one of the address that has the most: who asks at once is always answered.
        waiting_per_address: Of these, how many one address may have.
        admitted: Connections that have; one too many is refused.
    """

    head_seconds: float = 10.0
    waiting: int = 128
    waiting_per_address: int = 64
    admitted: int = 512


class Connection:
    """A client's connection; for the server's thread alone."""

    def __init__(self, pool: Connections, transport: asyncio.Transport, peer: tuple[str, int]) -> None:
        self.peer, self.address = peer, site_of(peer[0])
        self.admitted = False
        self.pool, self._transport = pool, transport
        self._timer: asyncio.TimerHandle | None = None
        self.await_head()

    def admit(self) -> bool:
        """Its client may ask; whether there is room for it beside the others."""
        if not self.admitted:
            self.admitted = self.pool.has_room
        return self.admitted

    def await_head(self) -> None:
        """From now on a request's head has to come, or the connection ends."""
        self.stop_waiting()
        seconds = self.pool.limits.head_seconds
        self._timer = asyncio.get_running_loop().call_later(seconds, self.abort)

    def stop_waiting(self) -> None:
        """A head has come, or nothing will."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def abort(self) -> None:
        """Ends it at once, whatever is on its way."""
        self.stop_waiting()
        self._transport.abort()


class Connections:
    """Every connection of a server; for the server's thread alone, but for the counts.

    Args:
        limits: How many, and how slow.
        shared: Whether many clients come from an address, as from a proxy's; no limit is set to such a one.
    """

    def __init__(
        self, limits: ConnectionLimits | None = None, *, shared: Callable[[str], bool] = lambda address: False
    ) -> None:
        self.limits = limits or ConnectionLimits()
        self._shared = shared
        self._all: dict[tuple[str, int], Connection] = {}
        self._trimming = False

    @property
    def admitted(self) -> int:
        """Connections whose client has shown that it may ask."""
        return sum(connection.admitted for connection in list(self._all.values()))

    @property
    def waiting(self) -> int:
        """Connections whose client has not, yet."""
        return len(self._waiting())

    @property
    def has_room(self) -> bool:
        """Whether one more may be admitted."""
        return self.admitted < self.limits.admitted

    def opened(self, transport: asyncio.Transport) -> Connection | None:
        """A new connection; it, or an older one, is ended where there are too many.

        A burst of clients that have all asked already is heard first: only twice the limit is enforced at
        once.
        """
        peer = transport.get_extra_info("peername")
        if peer is None:  # gone again already
            return None
        connection = self._all[peer[:2]] = Connection(self, transport, peer[:2])
        self._trim(2)
        if not self._trimming and self._excess(1):
            self._trimming = True
            asyncio.get_running_loop().call_later(_TRIM_SECONDS, self._trim_later)
        return connection

    def closed(self, connection: Connection) -> None:
        """A connection has ended."""
        connection.stop_waiting()
        if self._all.get(connection.peer) is connection:
            del self._all[connection.peer]

    def served(self, app: ASGIApp) -> ASGIApp:
        """An application that finds its request's `Connection` in the scope under `SCOPE_KEY`."""

        async def serve(scope: Scope, receive: Receive, send: Send) -> None:
            connection = self._all.get(tuple(scope.get("client") or ()))
            if connection is None:
                await app(scope, receive, send)
                return
            scope[SCOPE_KEY] = connection
            connection.stop_waiting()
            try:
                await app(scope, receive, send)
            finally:
                if self._all.get(connection.peer) is connection:
                    connection.await_head()

        return serve

    def protocol(self, **given: Any) -> H11Protocol:
        """uvicorn's protocol for a new connection, whose begin and end are told here."""
        return _Protocol(self, **given)

    def _waiting(self) -> list[Connection]:
        """Those that are not admitted, the oldest first."""
        return [connection for connection in list(self._all.values()) if not connection.admitted]

    def _excess(self, times: int) -> Connection | None:
        """The connection that has to go while there are more than so many times the limits."""
        waiting = [connection for connection in self._waiting() if not self._shared(connection.peer[0])]
        if not waiting:
            return None
        address, most = _most(connection.address for connection in waiting)
        if len(waiting) <= times * self.limits.waiting and most <= times * self.limits.waiting_per_address:
            return None
        return next(connection for connection in waiting if connection.address == address)

    def _trim(self, times: int) -> None:
        while (oldest := self._excess(times)) is not None:
            del self._all[oldest.peer]
            oldest.abort()

    def _trim_later(self) -> None:
        self._trimming = False
        self._trim(1)


class _Protocol(H11Protocol):
    def __init__(self, pool: Connections, **given: Any) -> None:
        super().__init__(**given)
        self._pool = pool
        self._connection: Connection | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._connection = self._pool.opened(transport)
        super().connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._connection is not None:
            self._pool.closed(self._connection)
        super().connection_lost(exc)


def _most(addresses: Iterable[str]) -> tuple[str, int]:
    """The commonest address, and how often it comes."""
    return Counter(addresses).most_common(1)[0]
