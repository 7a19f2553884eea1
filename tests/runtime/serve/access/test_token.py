"""Tokens that will not do, and the cookie in a browser's place for one."""

from __future__ import annotations

import socket
from collections.abc import Callable

import httpx
import pytest

from ermu.errors import OptionError
from ermu.runtime.serve.access.token import Token, check_token
from tests.runtime.serve.conftest import Access, Server, Serving, create_app

Serve = Callable[..., Serving]
TOKEN = "a-long-random-token"


@pytest.mark.parametrize(
    "token", ["short", "Zugang-für-Gäste-€", "sixteen letters!", "line-end-at-its-end\n", "a-" * 8 + "\udc80"]
)
def test_tokens_that_will_not_do(token: str) -> None:
    with pytest.raises(OptionError, match="token has"):
        check_token(token)


def test_one_that_will() -> None:
    check_token(TOKEN)
    check_token("".join(map(chr, range(33, 127))))


@pytest.mark.parametrize(
    "wrong", ["Zugang-für-Gäste".encode("latin-1"), "€".encode(), b"\xff\xfe", b"\x80" * 99]
)
def test_a_request_with_one_outside_ascii_is_refused(serve: Serve, wrong: bytes) -> None:
    serving = serve(access=Access(token=TOKEN))
    cookie = b"Cookie: " + Token(TOKEN).cookie.encode() + b"="
    with httpx.Client(base_url=serving.url) as client:
        assert client.get("/", params={"token": wrong.decode("latin-1")}).status_code == 401
    for header in (b"Authorization: Bearer ", b"Authorization: ", cookie, b'Cookie: "'):
        with socket.create_connection(("127.0.0.1", serving.port), 10) as raw:
            raw.sendall(b"GET /api/streams HTTP/1.1\r\nHost: 127.0.0.1\r\n" + header + wrong + b"\r\n\r\n")
            assert raw.recv(100).startswith(b"HTTP/1.1 401 ")
    with socket.create_connection(("127.0.0.1", serving.port), 10) as raw:
        raw.sendall(b"GET /?token=%FF%E2%82%AC HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        assert raw.recv(100).startswith(b"HTTP/1.1 401 ")


def test_two_servers_of_one_host_do_not_log_each_other_out() -> None:
    """A browser has one jar for a host, whatever the port."""
    tokens = ("first-" * 3, "second-" * 3)
    with (
        Server(create_app({}, Access(token=tokens[0])), port=0) as one,
        Server(create_app({}, Access(token=tokens[1])), port=0) as two,
        httpx.Client() as browser,
    ):
        for server, token in zip((one, two), tokens, strict=True):
            arrived = browser.get(server.url, params={"token": token}, follow_redirects=True)
            assert arrived.status_code == 200
        for server in (one, two, one):
            assert browser.get(f"{server.url}api/streams").status_code == 200
        assert len(browser.cookies) == 2


def test_the_cookie_does_not_give_the_token_away(serve: Serve) -> None:
    answer = httpx.get(serve(access=Access(token=TOKEN)).url, params={"token": TOKEN})
    cookie = answer.headers["set-cookie"]
    assert TOKEN not in cookie and Token(TOKEN).cookie in cookie
    assert "HttpOnly" in cookie and "samesite=strict" in cookie.lower() and "Secure" not in cookie
