"""Addresses: what is secret in them is in no text."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ermu.errors import OptionError
from ermu.runtime.sinks.address import Address

SCHEMES = ("https", "http")
SECRET = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), min_size=8, max_size=20)


@given(user=SECRET, password=SECRET, path=SECRET, value=SECRET)
def test_parts_are_read_and_not_shown(user: str, password: str, path: str, value: str) -> None:
    parts = [quote(part, safe="") for part in (user, password, path, value)]
    address = Address.of("https://{}:{}@Host:8123/hook/{}?token={}".format(*parts), SCHEMES, "https://h/")
    assert (address.host, address.port, address.user, address.password) == ("host", 8123, user, password)
    assert address.path == f"/hook/{parts[2]}?token={parts[3]}"
    assert str(address) == "https://host:8123"
    assert not any(part in repr(address) for part in (user, password, path, value))


def test_variables_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOOK_PASSWORD", "p@ss/w#rd:1")
    address = Address.of("http://me:${HOOK_PASSWORD}@[::1]/x", SCHEMES, "https://h/")
    assert (address.user, address.password, address.host) == ("me", "p@ss/w#rd:1", "::1")
    assert (str(address), address.path) == ("http://[::1]", "/x")
    with pytest.raises(OptionError, match="no variable NOT_THERE") as caught:
        Address.of("http://me:hunter2@host/${NOT_THERE}", SCHEMES, "https://h/")
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "ftp://me:hunter2@host/",
        "hunter2",
        "https://",
        "https://me:hunter2@/x",
        "https://me:hunter2@host:port/",
        "https://me:hunter2@host:70000/",
        "https://host/hunter2 x",
        "https://host/hunter2\r\nX-Header: 1",
        "https://[hunter2",
    ],
)
def test_what_is_no_address_is_not_repeated(url: str) -> None:
    with pytest.raises(OptionError) as caught:
        Address.of(url, SCHEMES, "https://host/hook")
    assert "hunter2" not in str(caught.value)
    assert "https:// or http://" in str(caught.value)
