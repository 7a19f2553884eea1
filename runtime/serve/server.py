"""Runs the web application beside the streams' worker."""

from __future__ import annotations

import errno
import ipaddress
import logging
import socket
from threading import Thread
from time import monotonic, sleep
from types import TracebackType
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import uvicorn
from starlette.applications import Starlette

from ermu.errors import ErmuError, OptionError, StateError
from ermu.runtime.serve.access.connections import ConnectionLimits, Connections
from ermu.runtime.serve.access.proxy import Proxy
from ermu.runtime.serve.access.token import check_token

if TYPE_CHECKING:
    from typing_extensions import Self

_START_SECONDS = 10.0
_STOP_SECONDS = 2.0
_SILENT_MILLISECONDS = 10_000
_FIXES = {
    errno.EADDRINUSE: "choose another --port, or end what listens there",
    errno.EADDRNOTAVAIL: "give --host an address of this machine; 0.0.0.0 is all of them",
    errno.EACCES: "choose a --port from 1024 on",
}

logger = logging.getLogger("ermu.serve")


def check_access(host: str, token: str | None, public_url: str | None = None) -> bool:
    """Whether the address is this machine's own; any other needs a token, as one in front of it does.

    Raises:
        OptionError: there is none, or one that will not do.
    """
    if token is not None:
        check_token(token)
    shown = host if public_url is None else public_url
    local = _is_local(host) and (public_url is None or _is_local(urlsplit(public_url).hostname or ""))
    if not local and token is None:
        raise OptionError(
            f"Without a token the page is served on this machine only, not on {shown}.",
            fix="set ERMU_TOKEN or pass --token with a long random text, or keep to this machine's addresses",
        )
    return local


class Server:
    """uvicorn in a thread of its own; a context manager.

    Args:
        app: The application.
        host: Address or name to bind.
        port: 0 takes a free one.
        proxy: What stands in front of it.
        limits: Of its connections.

    Raises:
        ErmuError: the address cannot be bound.
    """

    def __init__(
        self,
        app: Starlette,
        *,
        host: str = "127.0.0.1",
        port: int = 8000,
        proxy: Proxy | None = None,
        limits: ConnectionLimits | None = None,
    ) -> None:
        proxy = proxy or Proxy()
        self._socket = _bound(host, port)
        self.port = int(self._socket.getsockname()[1])
        self.url = f"http://{f'[{host}]' if ':' in host else host}:{self.port}{proxy.root}/"
        connections = Connections(limits, shared=proxy.trusts)
        config = uvicorn.Config(
            connections.served(app), http=connections.protocol,  # type: ignore[arg-type]
            log_config=None, access_log=False, timeout_graceful_shutdown=1, server_header=False,
            proxy_headers=False, timeout_keep_alive=5, backlog=512, ws="none", lifespan="on",
        )  # fmt: skip
        _take_log_over()
        self._server = uvicorn.Server(config)
        self._thread = Thread(target=self._server.run, args=([self._socket],), name="serve", daemon=True)

    def __enter__(self) -> Self:
        """Returns when it answers.

        Raises:
            ErmuError: it does not within ten seconds.
            StateError: it has been started before.
        """
        if self._thread.ident is not None:
            raise StateError("This server has been started before.", fix="make a new one")
        self._thread.start()
        until = monotonic() + _START_SECONDS
        while not self._server.started and self._thread.is_alive() and monotonic() < until:
            sleep(0.01)
        if not self._server.started:
            self.close()
            raise ErmuError(f"The server at {self.url} has not started.", fix="look at the log above")
        logger.info("Serving at %s.", self.url)
        return self

    def stop(self) -> None:
        """Begins to stop; returns at once. Stopping twice, or before the start, is harmless."""
        self._server.should_exit = True

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stops, and gives the address back; closing twice, or without a start, is harmless."""
        self.stop()
        if self._thread.is_alive():
            self._thread.join(_STOP_SECONDS)
            logger.info("No longer serving at %s.", self.url)
        self._socket.close()


class _OurLog(logging.Handler):
    """What uvicorn has to say, said by our logger."""

    def emit(self, record: logging.LogRecord) -> None:
        logger.log(record.levelno, record.msg, *(record.args or ()), exc_info=record.exc_info)


def _take_log_over() -> None:
    theirs = logging.getLogger("uvicorn")
    theirs.handlers[:] = [_OurLog()]
    theirs.propagate = False
    theirs.setLevel(logging.WARNING)


def _bound(host: str, port: int) -> socket.socket:
    """A socket that is bound, not listening yet."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (socket.gaierror, UnicodeError) as error:
        raise ErmuError(
            f"The name '{host}' is no address that is known here.",
            expected="an address or a name of this machine",
            fix="--host 127.0.0.1, or --host 0.0.0.0 for all of its addresses",
        ) from error
    family, _, _, _, address = min(found, key=lambda each: each[0] != socket.AF_INET)
    bound = socket.socket(family, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if hasattr(socket, "TCP_USER_TIMEOUT"):  # a client that takes nothing for so long is cut off
        bound.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _SILENT_MILLISECONDS)
    try:
        bound.bind(address)
    except OSError as error:
        bound.close()
        raise ErmuError(
            f"Cannot listen on {host}:{port}: {error.strerror or error}.",
            fix=_FIXES.get(error.errno or 0, "choose another --host or --port"),
        ) from error
    return bound


def _is_local(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
