"""Why a stream does not come, in words that an operator knows, as the page shows them while it connects."""

from __future__ import annotations

import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import cv2
import numpy as np
import pytest

from ermu.runtime.sources.kinds.network import NetworkSource
from ermu.runtime.sources.reader import StreamReader, StreamState
from tests.runtime.conftest import free_port, until
from tests.support.servers.answering import answering

pytest.importorskip("av", reason="reasons are told of PyAV's errors (extra `live`)")

pytestmark = pytest.mark.serial

LOGIN = (
    b"<!DOCTYPE html><html><head><title>Web\n Service &middot; Login</title></head><body>...</body></html>"
)


class Camera(BaseHTTPRequestHandler):
    """A camera's web server."""

    def do_GET(self) -> None:
        if self.path == "/":
            return self._answer(302, "text/plain", b"", Location="/login.html")
        if self.path.startswith("/login"):
            return self._answer(200, "text/html; charset=utf-8", LOGIN)
        if self.path.startswith("/snapshot"):
            picture = cv2.imencode(".jpg", np.full((48, 64, 3), 90, np.uint8))[1].tobytes()
            return self._answer(200, "image/jpeg", picture)
        if self.path.startswith("/api"):
            return self._answer(200, "application/json", b'{"error": 3}')
        if self.path.startswith("/secret"):
            return self._answer(401, "text/plain", b"", **{"WWW-Authenticate": 'Basic realm="cam"'})
        status = {"/forbidden": 403, "/broken": 503}.get(self.path, 404)
        return self._answer(status, "text/plain", b"")

    def _answer(self, status: int, kind: str, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": kind, "Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        return


@pytest.fixture(scope="module")
def camera() -> Iterator[str]:
    with answering(ThreadingHTTPServer(("127.0.0.1", 0), Camera)) as port:
        yield f"127.0.0.1:{port}"


@contextmanager
def reading(url: str, **options: float) -> Iterator[StreamReader]:
    reader = StreamReader(NetworkSource(url, **options))
    reader.start()
    try:
        yield reader
    finally:
        reader.stop()


def reason_of(url: str, **options: float) -> str:
    with reading(url, **options) as reader:
        assert until(lambda: reader.last_error is not None, 30)
        assert reader.state is StreamState.CONNECTING
        assert reader.last_error is not None and reader.last_error.fix
        return str(reader.reason)


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/snapshot.jpg", "one picture comes (a snapshot), no stream"),
        ("/snapshot", "one picture comes (a snapshot), no stream"),
        ("/login.html", "a web page called 'Web Service &middot; Login' comes in place of video"),
        ("/", "a web page called"),
        ("/api", "no video that FFmpeg knows (application/json)"),
        ("/secret", "it asks for a user name and a password (401)"),
        ("/forbidden", "may not see the stream (403)"),
        ("/nowhere", "has no stream at this path (404)"),
        ("/broken", "the server has a fault of its own (5"),
    ],
)
def test_what_a_web_server_gives(camera: str, path: str, reason: str) -> None:
    assert reason in reason_of(f"http://{camera}{path}")


@pytest.mark.parametrize("path", ["/login.html", "/nowhere"])
def test_without_pyav_the_reason_is_found_all_the_same(
    camera: str, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    assert ("web page" if "login" in path else "404") in reason_of(f"http://{camera}{path}")


def test_a_wrong_password_and_none_of_it_in_the_reason(camera: str) -> None:
    reason = reason_of(f"http://admin:hunter2@{camera}/secret?token=hunter3")
    assert reason == "it refuses the user name or the password (401)"


@pytest.mark.parametrize("scheme", ["rtsp", "http", "rtmp"])
def test_hosts_that_are_not_there(scheme: str) -> None:
    assert "there is no host called 'no-such-camera.invalid'" in reason_of(
        f"{scheme}://no-such-camera.invalid/1"
    )
    port = free_port()
    reason = f"nothing listens at 127.0.0.1:{port} (connection refused)"
    assert reason in reason_of(f"{scheme}://127.0.0.1:{port}/1")


@pytest.mark.parametrize("scheme", ["rtsp", "http", "rtmp"])
def test_a_server_that_accepts_and_stays_silent(scheme: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        at = f"127.0.0.1:{server.getsockname()[1]}"
        with reading(f"{scheme}://{at}/1", open_seconds=1.0) as reader:
            assert (reader.state, reader.reason) == (StreamState.CONNECTING, None)
        reason = reason_of(f"{scheme}://{at}/1", open_seconds=0.5)
    assert f"{at} accepts the connection and stays silent" in reason


def test_a_scheme_that_this_ffmpeg_lacks() -> None:
    reason = reason_of(f"srt://127.0.0.1:{free_port()}", open_seconds=0.5)
    assert "knows no srt://" in reason or "nothing comes" in reason


def test_a_port_that_speaks_something_else() -> None:
    def greet(server: socket.socket) -> None:
        while True:
            try:
                connection, _ = server.accept()
                with connection:
                    connection.sendall(b"SSH-2.0-OpenSSH_9.2\r\n")
            except OSError:
                return

    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=greet, args=(server,), daemon=True).start()
        at = f"127.0.0.1:{server.getsockname()[1]}"
        assert "does not speak RTSP" in reason_of(f"rtsp://{at}/1")
        assert "closed the connection" in (told := reason_of(f"http://{at}/1")) or "no video" in told
        server.shutdown(socket.SHUT_RDWR)


def test_nobody_sends() -> None:
    assert reason_of(f"udp://127.0.0.1:{free_port()}", open_seconds=0.5) == "nothing comes"
