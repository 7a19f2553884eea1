"""Webhooks against a real HTTP server that is away, refuses, and comes back."""

from __future__ import annotations

import json
import shutil
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from ermu.errors import OptionError, SinkError
from ermu.runtime.sinks.base import SinkContext
from ermu.runtime.sinks.kinds.webhook import WebhookSink
from ermu.runtime.sinks.opening import open_sink
from tests.runtime.conftest import free_port, until
from tests.runtime.sinks.test_events import EMPTY, HERE, THERE, story_of_a_cat
from tests.support.servers.answering import answering

LABELS = (HERE, EMPTY, EMPTY, THERE)  # appeared; lost two seconds later; returned


class Hook:
    """What a server was sent; `answers` are its next statuses, then 204."""

    def __init__(self, answers: tuple[int, ...] = ()) -> None:
        self.answers = list(answers)
        self.requests: list[tuple[str, dict[str, str], dict[str, Any]]] = []

    @contextmanager
    def serving(self, port: int = 0, tls: ssl.SSLContext | None = None) -> Iterator[int]:
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                hook.requests.append((self.path, {k.lower(): v for k, v in self.headers.items()}, body))
                self.send_response(hook.answers.pop(0) if hook.answers else 204)
                self.send_header("Location", "/elsewhere")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                return

        server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        if tls is not None:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        with answering(server) as taken:
            yield taken


def tell(sink: WebhookSink) -> None:
    story = story_of_a_cat()
    for label in LABELS:
        sink.write(*story.next(label))


def opened(url: str) -> WebhookSink:
    sink = open_sink(f"webhook={url}", SinkContext(25, name="yard", live=True))
    assert isinstance(sink, WebhookSink)
    return sink


def test_events_are_posted_in_order() -> None:
    hook = Hook()
    with hook.serving() as port, opened(f"http://me:p%40ss@127.0.0.1:{port}/hook/secret?token=a") as sink:
        tell(sink)
        assert until(lambda: len(hook.requests) == 3)
    paths, headers, bodies = zip(*hook.requests, strict=True)
    assert set(paths) == {"/hook/secret?token=a"}
    assert [body["event"] for body in bodies] == ["appeared", "lost", "returned"]
    about = {"stream": "yard", "id": 3, "name": "cat"}
    first = {"event": "appeared", **about, "frame": 0, "time": 0.0, "area": 50, "box": [5, 4, 15, 9]}
    assert first.items() <= bodies[0].items() and bodies[0]["utc"].endswith("Z")
    assert headers[0]["authorization"] == "Basic bWU6cEBzcw=="  # me:p@ss
    assert len({each["idempotency-key"] for each in headers}) == 3


def test_a_server_that_is_away_gets_them_later(caplog: pytest.LogCaptureFixture) -> None:
    port, hook = free_port(), Hook((503, 429))
    with opened(f"http://me:hunter2@127.0.0.1:{port}/hunter2?x=hunter2") as sink:
        tell(sink)
        assert until(lambda: sink.problem is not None)
        assert sink.problem == f"http://127.0.0.1:{port}: Connection refused"
        with hook.serving(port):
            assert until(lambda: len(hook.requests) == 5, 30)
            assert until(lambda: sink.problem is None)
    told = [body["event"] for _, _, body in hook.requests]
    assert told == ["appeared", "appeared", "appeared", "lost", "returned"]
    assert len({headers["idempotency-key"] for _, headers, _ in hook.requests[:3]}) == 1
    assert "messages arrive again" in caplog.text
    assert "hunter2" not in caplog.text


@pytest.mark.parametrize("status", [302, 400, 404])
def test_what_a_server_refuses_is_not_sent_again(status: int, caplog: pytest.LogCaptureFixture) -> None:
    hook = Hook((status,))
    with hook.serving() as port:
        sink = opened(f"http://127.0.0.1:{port}/hunter2")
        tell(sink)
        assert until(lambda: sink.outbox.delivered == 2)
        with pytest.raises(SinkError, match="1 of 3 messages did not reach"):
            sink.close()
        sink.close()
    assert [body["event"] for _, _, body in hook.requests] == ["appeared", "lost", "returned"]
    assert f"given up (answers {status})" in caplog.text and "hunter2" not in caplog.text


@pytest.mark.skipif(shutil.which("openssl") is None, reason="makes a certificate with openssl")
def test_a_certificate_is_checked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    made = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-days",
        "1",
        "-subj",
        "/CN=localhost",
    ]
    made += ["-addext", "subjectAltName=DNS:localhost", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(made, check=True, capture_output=True)
    hook, tls = Hook(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate, key)
    with hook.serving(tls=tls) as port:
        sink = opened(f"https://localhost:{port}/hunter2")
        tell(sink)
        assert until(lambda: "certificate verify failed" in (sink.problem or ""))
        with pytest.raises(SinkError, match="3 of 3 messages did not reach") as caught:
            sink.close()
        assert "hunter2" not in str(caught.value) and not hook.requests
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        with opened(f"https://localhost:{port}/hunter2") as sink:
            tell(sink)
            assert until(lambda: len(hook.requests) == 3)


def test_a_target_that_is_no_address_is_refused() -> None:
    for target in ("webhook", "webhook=", "webhook=mqtt://host/hunter2"):
        with pytest.raises(OptionError) as caught:
            open_sink(target, SinkContext(25))
        assert "hunter2" not in str(caught.value)
