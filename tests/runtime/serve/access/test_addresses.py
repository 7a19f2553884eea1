"""Addresses: by whom limits are counted, what is this machine, what an origin is."""

from __future__ import annotations

import ipaddress

import pytest

from ermu.runtime.serve.access.addresses import is_local, origin_of, site_of, within


@pytest.mark.parametrize(
    ("address", "site"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:a:b:c:d", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("nowhere", "nowhere"),
    ],
)
def test_a_client_cannot_multiply_itself_by_ipv6(address: str, site: str) -> None:
    assert site_of(address) == site


def test_networks() -> None:
    networks = (ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_network("::1"))
    inside = ("10.1.2.3", "::ffff:10.1.2.3", "::1")
    assert all(within(address, networks) for address in inside)
    assert not any(within(address, networks) for address in ("11.0.0.1", "::2", "", "10.0.0"))


@pytest.mark.parametrize(
    ("host", "local"),
    [
        ("localhost:8000", True), ("127.0.0.1", True), ("[::1]:80", True), ("LOCALHOST", True),
        ("localhost.evil.example", False), ("127.0.0.1.nip.io", False), ("", False), ("[", False),
    ],
)  # fmt: skip
def test_names_of_this_machine(host: str, local: bool) -> None:
    assert is_local(host) is local


def test_origins() -> None:
    assert origin_of("https://Cams.example.org/ermu/") == ("https", "cams.example.org", 443)
    assert origin_of("http://a:80") == origin_of("http://a")
    assert origin_of("http://a:8000") != origin_of("https://a:8000")
    assert origin_of("null") is origin_of("http://[") is origin_of("http://a:x") is None
