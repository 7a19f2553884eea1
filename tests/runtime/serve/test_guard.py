"""Who may ask: tokens, origins, hosts, sizes, rates."""

from __future__ import annotations

import socket
from collections.abc import Callable

import httpx
import pytest

from ermu.errors import ErmuError
from ermu.runtime.serve.server import check_access
from tests.runtime.serve.conftest import Access, Serving

Serve = Callable[..., Serving]
TOKEN = "a-long-random-token"


def test_a_token_is_asked_of_every_request(serve: Serve) -> None:
    url = serve(access=Access(token=TOKEN)).url
    for path in ("/", "/page.js", "/api/streams", "/streams/0/video.mjpeg", "/metrics", "/openapi.json"):
        assert httpx.get(url + path).status_code == 401
        assert httpx.get(url + path, headers={"authorization": "Bearer wrong"}).status_code == 401
    assert httpx.get(f"{url}/?token=wrong").status_code == 401
    browser = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
    page = httpx.get(f"{url}/?token=wrong", headers=browser)
    assert page.status_code == 401 and page.headers["content-type"].startswith("text/html")
    assert 'name="token"' in page.text and TOKEN not in page.text
    assert httpx.get(f"{url}/api/streams", headers=browser).json()["fix"]
    assert (
        httpx.get(f"{url}/api/streams?token={TOKEN}").status_code == 401
    )  # only the page takes it from the address
    assert httpx.get(f"{url}/healthz").status_code == 200
    assert httpx.get(f"{url}/api/streams", headers={"authorization": f"Bearer {TOKEN}"}).status_code == 200
    with httpx.Client(base_url=url) as client:
        arrived = client.get(f"/?token={TOKEN}")
        assert arrived.status_code == 303 and arrived.headers["location"] == "./"
        assert (
            "HttpOnly" in arrived.headers["set-cookie"]
            and "samesite=strict" in arrived.headers["set-cookie"].lower()
        )
        assert client.get("/").status_code == 200


def test_other_sites_may_not_ask(serve: Serve) -> None:
    serving = serve()
    url, own = serving.url, f"http://127.0.0.1:{serving.port}"
    body = {"action": "pause"}

    def pause(**headers: str) -> int:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        return httpx.post(f"{url}/api/streams/0/control", json=body, headers=sent).status_code

    for origin in ("http://evil.example", "null", f"https://127.0.0.1:{serving.port}", "http://127.0.0.1:1"):
        assert pause(origin=origin) == 403
    assert pause(sec_fetch_site="cross-site") == 403
    assert pause(host="evil.example") == 403  # DNS rebinding
    assert not serving.streams["0"].pipeline.paused
    assert pause(origin=own) == 200


def test_oversized_bodies_are_refused_whatever_they_claim(serve: Serve) -> None:
    serving = serve(access=Access(max_body=10_000))
    url = f"{serving.url}/api/streams/0/objects"
    kind = {"content-type": "image/png"}
    assert httpx.post(url, content=b"x" * 20_000, headers=kind).status_code == 413
    chunked = httpx.post(url, content=(b"x" * 1000 for _ in range(20)), headers=kind)
    assert chunked.status_code == 413
    head = b"POST /api/streams/0/objects HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: image/png\r\n"
    with socket.create_connection(("127.0.0.1", serving.port), 5) as raw:
        raw.sendall(head + b"Content-Length: 99999999999\r\n\r\n")
        assert b" 413 " in raw.recv(200)


def test_a_client_that_asks_too_often_has_to_wait(serve: Serve) -> None:
    url = serve(access=Access(rate=1, burst=5)).url
    with httpx.Client(base_url=url) as client:
        answers = [client.get("/healthz") for _ in range(8)]
    assert [answer.status_code for answer in answers[:5]] == [200] * 5
    assert answers[7].status_code == 429
    assert int(answers[7].headers["retry-after"]) >= 1


def test_answers_carry_security_headers(serve: Serve) -> None:
    headers = httpx.get(serve().url).headers
    assert "default-src 'self'" in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"] == "no-store"
    assert "server" not in headers


@pytest.mark.parametrize(
    ("host", "token", "local"),
    [("127.0.0.1", None, True), ("localhost", None, True), ("::1", None, True), ("0.0.0.0", TOKEN, False)],
)
def test_addresses_that_may_be_bound(host: str, token: str | None, local: bool) -> None:
    assert check_access(host, token) is local


@pytest.mark.parametrize(
    ("host", "token"), [("0.0.0.0", None), ("example.org", None), ("127.0.0.1", "short")]
)
def test_any_other_address_needs_a_token(host: str, token: str | None) -> None:
    with pytest.raises(ErmuError, match="token"):
        check_access(host, token)
