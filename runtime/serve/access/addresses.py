"""Addresses of clients: which belong to one client, and which names mean this machine."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

_LOCAL_HOSTS = ("127.0.0.1", "localhost", "::1")
_PORTS = {"http": 80, "https": 443}
_V6_SITE = 64  # bits of an IPv6 address that a client does not choose

IpNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network
Origin = tuple[str, str, int]


def site_of(address: str) -> str:
    """What limits are counted by: an IPv4 address, or the network that a client's IPv6 addresses are from."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return str(ipaddress.ip_network((parsed, _V6_SITE), strict=False))
    return address


def within(address: str, networks: tuple[IpNetwork, ...]) -> bool:
    """Whether an address is in one of the networks."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    mapped = parsed.ipv4_mapped if isinstance(parsed, ipaddress.IPv6Address) else None
    return any((mapped or parsed) in network for network in networks)


def is_local(host: str) -> bool:
    """Whether a `Host` header is a name of this machine."""
    return hostname(host) in _LOCAL_HOSTS


def hostname(host: str) -> str:
    """A `Host` header without its port, empty where it is none."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def origin_of(url: str) -> Origin | None:
    """Scheme, host and port of an address, None where it has none (`null`, say)."""
    try:
        parts = urlsplit(url)
        port = parts.port or _PORTS.get(parts.scheme)
    except ValueError:
        return None
    return (parts.scheme, parts.hostname, port) if parts.hostname and port else None
