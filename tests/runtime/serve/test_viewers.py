"""Viewers of the video: many, and one that never reads."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from time import monotonic

import cv2
import numpy as np
import psutil

from ermu.runtime.serve.broadcast import MAX_VIEWERS
from tests.runtime.conftest import until
from tests.runtime.serve.conftest import Access, Serving

Serve = Callable[..., Serving]
REQUEST = b"GET /streams/0/video.mjpeg HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"


def connect(port: int, *, buffer: int | None = None) -> socket.socket:
    connection = socket.socket()
    if buffer:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
    connection.settimeout(10)
    connection.connect(("127.0.0.1", port))
    connection.sendall(REQUEST)
    return connection


def pictures(connection: socket.socket, count: int) -> list[np.ndarray]:
    data, found = b"", []
    while len(found) < count:
        data += connection.recv(65536)
        while (start := data.find(b"\r\n\r\n\xff\xd8")) >= 0:
            head = data[:start]
            length = int(head.rsplit(b"Content-Length: ", 1)[1])
            if len(data) < start + 4 + length:
                break
            jpeg, data = data[start + 4 : start + 4 + length], data[start + 4 + length :]
            found.append(cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR))
    return found[:count]  # type: ignore[return-value]


def test_fifty_viewers_share_one_encoder(serve: Serve) -> None:
    serving = serve(access=Access(rate=1000, burst=1000))
    stream = serving.streams["0"]
    connections = [connect(serving.port) for _ in range(50)]
    got: list[int] = []
    threads = [threading.Thread(target=lambda c=c: got.append(len(pictures(c, 5)))) for c in connections]
    for thread in threads:
        thread.start()
    assert until(lambda: stream.broadcast.viewers == 50)
    for thread in threads:
        thread.join(20)
    assert got == [5] * 50
    assert pictures(connections[0], 1)[0].shape == (120, 160, 3)
    feeder = stream.pipeline.feeders[0]
    assert feeder.written <= stream.pipeline.frames  # a frame is encoded once, however many look on
    for connection in connections:
        connection.close()
    assert until(lambda: stream.broadcast.viewers == 0, 15)


def test_viewers_that_leave_while_a_picture_goes_out_are_forgotten(serve: Serve) -> None:
    serving = serve(access=Access(rate=1000, burst=1000))
    stream = serving.streams["0"]
    for _ in range(5):
        connections = [connect(serving.port) for _ in range(50)]
        assert until(lambda: stream.broadcast.viewers == 50)
        assert len(pictures(connections[0], 2)) == 2
        for connection in reversed(connections):  # the others' copies of the same picture are on their way
            connection.close()
        assert until(lambda: stream.broadcast.viewers == 0, 15)


def test_a_viewer_that_never_reads_costs_nothing(serve: Serve) -> None:
    serving = serve()
    stream = serving.streams["0"]
    deaf = connect(serving.port, buffer=2048)
    assert until(lambda: stream.broadcast.viewers == 1)
    began, before, memory = monotonic(), stream.pipeline.frames, psutil.Process().memory_info().rss
    with connect(serving.port) as reading:
        assert len(pictures(reading, 25)) == 25
    fps = (stream.pipeline.frames - before) / (monotonic() - began)
    assert fps > 4  # the stream's is 12
    assert psutil.Process().memory_info().rss - memory < 30 << 20
    assert until(lambda: stream.broadcast.viewers == 0, 30)  # let go, though its socket is still open
    deaf.close()


def test_more_viewers_than_the_limit_are_refused(serve: Serve) -> None:
    serving = serve(access=Access(rate=1000, burst=1000))
    connections = [connect(serving.port) for _ in range(MAX_VIEWERS)]
    assert until(lambda: serving.streams["0"].broadcast.viewers == MAX_VIEWERS)
    refused = connect(serving.port)
    assert b" 503 " in refused.recv(300)
    for connection in [*connections, refused]:
        connection.close()
