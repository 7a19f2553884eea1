"""Runs the web application beside the streams' worker."""

from __future__ import annotations

import ipaddress
import logging
import socket
from threading import Thread
from time import monotonic, sleep
from types import TracebackType
from typing import TYPE_CHECKING

import uvicorn
from starlette.applications import Starlette

from ermu.errors import ErmuError, OptionError, StateError

if TYPE_CHECKING:
    from typing_extensions import Self

_START_SECONDS = 10.0
_STOP_SECONDS = 2.0
_SILENT_MILLISECONDS = 10_000
_MIN_TOKEN = 16

logger = logging.getLogger("ermu.serve")


def check_access(host: str, token: str | None) -> bool:
    """Whether the address is this machine's own; any other needs a token.

    Raises:
        OptionError: there is none, or a short one.
    """
    if token is not None and len(token) < _MIN_TOKEN:
        raise OptionError(f"The token has {len(token)} characters.", expected=f"at least {_MIN_TOKEN}")
    try:
        local = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        local = False
    if not local and token is None:
        raise OptionError(
            f"Without a token the page is served on this machine only, not on {host}.",
            fix="set ERMU_TOKEN or pass --token with a long random text, or leave --host out",
        )
    return local


class Server:
    """uvicorn in a thread of its own; a context manager.

    Args:
        app: The application.
        host: Address to bind.
        port: 0 takes a free one.

    Raises:
        ErmuError: the address cannot be bound.
    """

    def __init__(self, app: Starlette, *, host: str = "127.0.0.1", port: int = 8000) -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._socket = socket.socket(family, socket.SOCK_STREAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if hasattr(socket, "TCP_USER_TIMEOUT"):  # a client that takes nothing for so long is cut off
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _SILENT_MILLISECONDS)
        try:
            self._socket.bind((host, port))
        except OSError as error:
            self._socket.close()
            raise ErmuError(
                f"Cannot listen on {host}:{port}: {error.strerror or error}.", fix="choose another --port"
            ) from error
        self.port = int(self._socket.getsockname()[1])
        self.url = f"http://{f'[{host}]' if ':' in host else host}:{self.port}/"
        config = uvicorn.Config(
            app, log_level="warning", access_log=False, timeout_graceful_shutdown=1, server_header=False,
            timeout_keep_alive=5, limit_concurrency=512, backlog=128, ws="none", lifespan="off",
        )  # fmt: skip
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
