"""Bodies that are too large or too slow, and answers that a client can read all the same."""

from __future__ import annotations

import shutil
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from ermu.runtime.serve.access import exchange
from tests.runtime.serve.conftest import Access, Serving

Serve = Callable[..., Serving]
OBJECTS = "/api/streams/0/objects"
PNG = {"content-type": "image/png"}
LARGE = 12 << 20  # more than the buffers between client and server hold


@pytest.mark.parametrize("chunked", [False, True])
def test_a_413_is_read_by_a_client_that_sends_first(serve: Serve, chunked: bool) -> None:
    serving = serve()
    body = (b"x" * 65536 for _ in range(LARGE // 65536)) if chunked else b"x" * LARGE
    answer = httpx.post(serving.url + OBJECTS, content=body, headers=PNG, timeout=60)
    assert answer.status_code == 413
    assert answer.json() == {
        "problem": "The body is too large.",
        "expected": "at most 8388608 bytes",
        "fix": "send less at once",
    }
    assert answer.headers["connection"] == "close"
    assert httpx.get(f"{serving.url}/healthz").status_code == 200


@pytest.mark.parametrize(
    ("path", "access", "status"),
    [
        (OBJECTS, Access(token="a-long-random-token"), 401),
        ("/api/nowhere", Access(), 404),
        ("/healthz", Access(), 405),
    ],
)
def test_so_is_any_other_refusal(serve: Serve, path: str, access: Access, status: int) -> None:
    serving = serve(access=access)
    answer = httpx.post(serving.url + path, content=b"x" * (7 << 20), headers=PNG, timeout=60)
    assert answer.status_code == status and answer.json()["problem"]


@pytest.mark.skipif(shutil.which("curl") is None, reason="no curl: apt-get install curl")
@pytest.mark.parametrize("expect", ["Expect: 100-continue", "Expect:"])
def test_curl_reads_it_whether_it_waits_for_100_or_not(serve: Serve, tmp_path: Path, expect: str) -> None:
    serving, large = serve(), tmp_path / "large"
    large.write_bytes(bytes(LARGE))
    command = ["curl", "-sS", "-H", expect, "-H", "Content-Type: image/png", "--data-binary", f"@{large}"]
    done = subprocess.run(
        [*command, serving.url + OBJECTS], capture_output=True, text=True, timeout=60, check=True
    )
    assert "The body is too large." in done.stdout


def test_a_body_that_does_not_come_is_told(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exchange, "_BODY_SECONDS", 0.5)
    monkeypatch.setattr(exchange, "_QUIET_SECONDS", 0.5)
    lines = (f"POST {OBJECTS} HTTP/1.1", "Host: 127.0.0.1", "Content-Type: image/png", "Content-Length: 9")
    head = "\r\n".join([*lines, "", ""])
    with socket.create_connection(("127.0.0.1", serve().port), 10) as slow:
        slow.sendall(head.encode() + b"ab")
        answer = b""
        while received := slow.recv(1000):
            answer += received
    assert b" 408 " in answer and b"The body does not come." in answer
