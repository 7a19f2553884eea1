"""Addresses as operators write them."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ermu.errors import OptionError
from ermu.runtime.sources.connections.address import Address


@pytest.mark.parametrize(
    ("written", "user", "password", "place", "rest"),
    [
        ("rtsp://cam/1", None, None, "cam", "/1"),
        ("RTSP://admin:pw@cam:8554/1?a=b", "admin", "pw", "cam:8554", "/1?a=b"),
        ("rtsp://admin:p@ss@cam/1", "admin", "p@ss", "cam", "/1"),
        ("rtsp://admin:p#ss@cam/1", "admin", "p#ss", "cam", "/1"),
        ("rtsp://admin:p@s#s@cam/1", "admin", "p@s#s", "cam", "/1"),
        ("rtsp://admin:p@s#s w?rd:/1@cam/1", "admin", "p@s#s w?rd:/1", "cam", "/1"),
        ("rtsp://admin:p?ss@cam/1", "admin", "p?ss", "cam", "/1"),
        ("rtsp://admin:pa/ss@cam/1", "admin", "pa/ss", "cam", "/1"),
        ("rtsp://admin:p a%20%40b@cam/1", "admin", "p a @b", "cam", "/1"),
        ("rtsp://admin@cam/1", "admin", None, "cam", "/1"),
        ("rtsp://admin:@cam/1", "admin", "", "cam", "/1"),
        ("http://cam?mail=a@b", None, None, "cam", "?mail=a@b"),
        ("http://cam:80?mail=a@b", None, None, "cam:80", "?mail=a@b"),
        ("http://u:p@cam?mail=a@b", "u", "p", "cam", "?mail=a@b"),
        ("http://cam/a@2x.jpg", None, None, "cam", "/a@2x.jpg"),
        ("rtsp://u:p@[fe80::1]:554/1", "u", "p", "[fe80::1]:554", "/1"),
        ("udp://@239.0.0.1:5000", None, None, "239.0.0.1:5000", ""),
        ("udp://:5000", None, None, ":5000", ""),
    ],
)
def test_parts(written: str, user: str | None, password: str | None, place: str, rest: str) -> None:
    address = Address.parsed(written)
    assert (address.user, address.password, address.place, address.rest) == (user, password, place, rest)


USERS = st.text(st.characters(codec="utf-8", exclude_characters="/?#:"), min_size=1)
PASSWORDS = st.text(st.characters(codec="utf-8", exclude_characters="/"))


@given(USERS, PASSWORDS, st.booleans())
def test_whatever_a_password_holds_the_host_is_found(user: str, password: str, encoded: bool) -> None:
    def write(text: str) -> str:
        return quote(text, safe="") if encoded else text.replace("%", "%25")

    address = Address.parsed(f"rtsp://{write(user)}:{write(password)}@cam:8554/1")
    if "?" in password and "=" in password:
        return  # reads as a query
    assert (address.user, address.password, address.at) == (user, password, "cam:8554")
    assert Address.parsed(address.url) == address


def test_ffmpeg_gets_them_encoded_and_nobody_else_any() -> None:
    address = Address.parsed("rtsp://ad min:p@s#s:1@cam/1 2?token=abc")
    assert address.url == "rtsp://ad%20min:p%40s%23s%3A1@cam/1%202?token=abc"
    assert address.shown == "rtsp://***@cam/1 2?token=***"
    assert "p@s" not in repr(address)
    assert (address.host, address.port, address.at) == ("cam", 554, "cam:554")
    assert (Address.parsed("http://[::1]:8080/").host, Address.parsed("udp://:5000").port) == ("::1", 5000)


def test_credentials_beside_the_address() -> None:
    address = Address.parsed("rtsp://cam/1").with_credentials("admin", "a:b@c")
    assert address.url == "rtsp://admin:a%3Ab%40c@cam/1"
    assert address.with_credentials(None, None) is address
    with pytest.raises(OptionError, match=r"rtsp://\*\*\*@cam/1 has credentials in it"):
        address.with_credentials("x", "y")
