"""Clients that never finish their request, against those that ask."""

from __future__ import annotations

import resource
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from time import monotonic

import httpx
import pytest

from tests.runtime.conftest import until
from tests.runtime.serve.conftest import Access, ConnectionLimits, Serving

Serve = Callable[..., Serving]
TOKEN = "a-long-random-token"
BEARER = {"authorization": f"Bearer {TOKEN}"}
HALF = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: "


@pytest.fixture
def many_files() -> Iterator[None]:
    """Room for the attacker's sockets beside the server's, which are this process's too."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(before[0], min(before[1], 4096)), before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def half_requests(stack: ExitStack, port: int, count: int) -> list[socket.socket]:
    """Connections of 127.0.0.1 that have sent half a head."""
    opened = []
    for _ in range(count):
        connection = stack.enter_context(socket.create_connection(("127.0.0.1", port), 10))
        connection.sendall(HALF)
        opened.append(connection)
    return opened


def client(url: str, address: str, **options: object) -> httpx.Client:
    """A client with an address of its own on this machine."""
    return httpx.Client(
        base_url=url,
        transport=httpx.HTTPTransport(local_address=address),
        timeout=20,
        **options,  # type: ignore[arg-type]
    )


def test_half_requests_lock_nobody_out(serve: Serve, many_files: None) -> None:
    serving = serve(access=Access(token=TOKEN, local_only=False), limits=ConnectionLimits(head_seconds=300))
    with ExitStack() as stack:
        viewer = stack.enter_context(client(serving.url, "127.0.0.1", headers=BEARER))
        video = stack.enter_context(viewer.stream("GET", "/streams/0/video.mjpeg"))
        pictures = video.iter_bytes()
        assert next(pictures)
        half_requests(stack, serving.port, 600)
        other = stack.enter_context(client(serving.url, "127.0.0.2"))
        assert other.get("/healthz").status_code == 200
        assert other.get("/api/streams").status_code == 401
        for address in ("127.0.0.2", "127.0.0.1"):  # the attacker's own address has a good client, too
            admitted = stack.enter_context(client(serving.url, address, headers=BEARER))
            assert admitted.get("/api/streams").status_code == 200
        figures = viewer.get("/metrics", headers=BEARER).text
        waiting = next(line for line in figures.splitlines() if 'ermu_connections{kind="waiting"}' in line)
        assert float(waiting.split()[1]) <= 64 + 1  # of one address, and `other`
        half_requests(stack, serving.port, 100)
        assert next(pictures)


def test_half_requests_end_by_themselves(serve: Serve, many_files: None) -> None:
    serving = serve(limits=ConnectionLimits(head_seconds=1.0))
    with ExitStack() as stack:
        began, connections = monotonic(), half_requests(stack, serving.port, 20)
        while monotonic() - began < 0.5:  # a byte now and then does not help
            for connection in connections:
                connection.sendall(b"x")
            until(lambda: False, 0.1)
        assert all(ended(connection) for connection in connections)
        assert httpx.get(f"{serving.url}/healthz").status_code == 200


def test_a_second_head_has_to_come_too(serve: Serve) -> None:
    serving = serve(limits=ConnectionLimits(head_seconds=1.0))
    with socket.create_connection(("127.0.0.1", serving.port), 10) as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        assert b" 200 " in connection.recv(1000)
        connection.sendall(HALF)
        assert ended(connection)


def test_a_burst_of_whole_requests_is_answered(serve: Serve, many_files: None) -> None:
    """More at once than may wait: all of them have asked before one is ended."""
    serving = serve(
        access=Access(rate=1000, burst=1000), limits=ConnectionLimits(waiting=40, waiting_per_address=30)
    )
    whole = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
    with ExitStack() as stack:
        opened = [
            stack.enter_context(socket.create_connection(("127.0.0.1", serving.port), 10)) for _ in range(50)
        ]
        for connection in opened:
            connection.sendall(whole)
        assert [b" 200 " in connection.recv(1000) for connection in opened] == [True] * 50


def test_more_admitted_connections_than_the_limit_are_told(serve: Serve) -> None:
    serving = serve(limits=ConnectionLimits(admitted=3))
    with ExitStack() as stack:
        clients = [stack.enter_context(httpx.Client(base_url=serving.url)) for _ in range(4)]
        answers = [each.get("/api/streams") for each in clients]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 503]
    assert answers[3].json()["problem"] == "Too many connections."


def ended(connection: socket.socket) -> bool:
    """Whether the other side has closed the connection, or does within ten seconds."""
    connection.settimeout(10)
    try:
        while connection.recv(1000):
            continue
        return True
    except ConnectionError:
        return True
    except TimeoutError:
        return False
