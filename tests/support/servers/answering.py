"""HTTP servers that tests run in a thread of theirs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import ThreadingHTTPServer
from threading import Thread


@contextmanager
def answering(server: ThreadingHTTPServer) -> Iterator[int]:
    """Answers meanwhile; its port. Ends with the thread ended and the socket closed."""
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
