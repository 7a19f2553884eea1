"""The server's states, and who may ask it from where."""

from __future__ import annotations

import socket

import httpx
import pytest

from ermu.errors import ErmuError, OptionError, StateError
from ermu.logs import BURST
from ermu.runtime.serve.server import check_access
from tests.runtime.serve.conftest import Access, Server, create_app


def test_it_starts_once_and_closes_any_number_of_times(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "ermu.serve")
    server = Server(create_app({}, Access()), port=0)
    with server:
        assert httpx.get(f"{server.url}healthz").status_code == 200
        with pytest.raises(StateError, match="started before"):
            server.__enter__()
    server.close()
    server.stop()
    told = [record.getMessage() for record in caplog.records if record.name == "ermu.serve"]
    assert told == [f"Serving at {server.url}.", f"No longer serving at {server.url}."]


def test_an_address_in_use_and_one_given_back() -> None:
    with Server(create_app({}), port=0) as used, pytest.raises(ErmuError, match="Cannot listen"):
        Server(create_app({}), port=used.port)
    unused = Server(create_app({}), port=0)
    unused.close()
    unused.close()
    for port in (used.port, unused.port):
        socket.create_server(("127.0.0.1", port)).close()


def test_refused_requests_are_told_now_and_then_without_the_token(caplog: pytest.LogCaptureFixture) -> None:
    with Server(create_app({}, Access(token="right-" * 4)), port=0) as server:
        for _ in range(BURST + 5):
            assert httpx.get(server.url, params={"token": "guessed-" * 3}).status_code == 401
        httpx.get(server.url, headers={"origin": "http://evil.example"})
    told = [record.getMessage() for record in caplog.records if record.name == "ermu.serve"]
    expected = ["A request of 127.0.0.1 was refused with status 401."] * BURST
    assert told == [*expected, "A request of 127.0.0.1 was refused with status 403."]


@pytest.mark.parametrize(
    ("host", "problem"),
    [
        ("no-such-machine.invalid", "'no-such-machine.invalid' is no address that is known here"),
        ("192.0.2.1", "Cannot assign requested address"),  # of RFC 5737: nobody's
    ],
)
def test_a_host_that_cannot_be_bound_is_what_is_told(host: str, problem: str) -> None:
    with pytest.raises(ErmuError, match=problem) as refused:
        Server(create_app({}), host=host, port=0)
    assert "--host" in str(refused.value.fix)


@pytest.mark.parametrize(("host", "token"), [("0.0.0.0", None), ("::1", "short"), ("cam.local", None)])
def test_access_that_is_not_given(host: str, token: str | None) -> None:
    with pytest.raises(OptionError):
        check_access(host, token)
