"""A TCP relay whose connections can be made to stand still: to either side, the other one is silent."""

from __future__ import annotations

import socket
from contextlib import suppress
from threading import Event, Thread


class _Connection:
    """A client's connection and ours to the server, with what the client has sent."""

    def __init__(self, client: socket.socket, server: socket.socket) -> None:
        self.client, self.server, self.asked = client, server, b""
        self.flows = Event()
        self.flows.set()
        for source, target in ((client, server), (server, client)):
            Thread(target=self._pass, args=(source, target), daemon=True).start()

    def _pass(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                self.flows.wait()
                if source is self.client:
                    self.asked += data
                target.sendall(data)
        self.close()

    def close(self) -> None:
        for end in (self.client, self.server):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()


class Relay:
    """Passes bytes on to a port of this machine; a context manager.

    Args:
        target: Port to pass them on to.

    Attributes:
        port: To connect to instead.
    """

    def __init__(self, target: int) -> None:
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._connections: list[_Connection] = []

    def __enter__(self) -> Relay:
        Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        self._listener.close()
        for connection in self._connections:
            connection.close()

    def stall(self, path: bytes) -> int:
        """Holds the connections that have asked for a path for ever; returns how many. Later ones flow."""
        held = [c for c in self._connections if path in c.asked and c.flows.is_set()]
        for connection in held:
            connection.flows.clear()
        return len(held)

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self._target))
                self._connections.append(_Connection(client, server))
