"""A server behind a reverse proxy: what the browser asked for, as far as the proxy may be believed."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import Scope

from ermu.errors import OptionError
from ermu.runtime.serve.access.addresses import IpNetwork, Origin, origin_of, within

_ROOT = re.compile(r"(/[A-Za-z0-9._~-]+)*")
_HOST = re.compile(r"[A-Za-z0-9._~-]+(:\d{1,5})?|\[[0-9A-Fa-f:.]+\](:\d{1,5})?")


@dataclass(frozen=True)
class Proxy:
    """What stands in front of the server.

    Attributes:
        url: The page's address in the browser, with a slash at the end; None where it is the server's own.
        root: The part of the path below which the page lies there, "" or `/ermu`. Whether the proxy takes it
            off does not matter.
        trusted: Whose `X-Forwarded-For`, `-Proto`, `-Host` and `-Prefix` are believed.
    """

    url: str | None = None
    root: str = ""
    trusted: tuple[IpNetwork, ...] = ()

    @classmethod
    def of(cls, url: str | None = None, root: str | None = None, trusted: Sequence[str] = ()) -> Proxy:
        """From what a user writes.

        Args:
            url: `https://cams.example.org/ermu`.
            root: `/ermu`; default, the path of `url`.
            trusted: Addresses or networks, `10.0.0.0/8`.

        Raises:
            OptionError: one of them is none.
        """
        path = ""
        if url is not None:
            if origin_of(url) is None or not url.startswith(("http://", "https://")) or set("?#@") & set(url):
                raise OptionError(
                    f"The public address is '{url}'.", expected="http:// or https://, a name, perhaps a path"
                )
            url = url.rstrip("/") + "/"
            path = urlsplit(url).path.rstrip("/")
        root = path if root is None else root.rstrip("/")
        if not _ROOT.fullmatch(root):
            raise OptionError(f"The root path is '{root}'.", expected="a path like /ermu")
        return cls(url, root, tuple(map(_network, trusted)))

    @property
    def origin(self) -> Origin | None:
        """Of the public address."""
        return origin_of(self.url) if self.url is not None else None

    def trusts(self, address: str) -> bool:
        """Whether an address is a proxy's that may be believed."""
        return within(address, self.trusted)

    def seen(self, scope: Scope) -> Scope:
        """A request as its sender meant it: client, scheme, host and path."""
        scope, headers = dict(scope), Headers(scope=scope)
        root = self.root
        peer = scope["client"][0] if scope.get("client") else ""
        if self.trusts(peer):
            scope["client"] = (self._client(headers, peer), 0)
            scheme = _nearest(headers, "x-forwarded-proto").lower()
            scope["scheme"] = scheme if scheme in ("http", "https") else scope["scheme"]
            host = _nearest(headers, "x-forwarded-host")
            if _HOST.fullmatch(host):
                kept = [(name, value) for name, value in scope["headers"] if name != b"host"]
                scope["headers"] = [(b"host", host.encode("latin-1")), *kept]
            prefix = headers.get("x-forwarded-prefix", "").rstrip("/")
            root = prefix if prefix and _ROOT.fullmatch(prefix) else root
        return {**scope, "root_path": root, "path": _below(root, scope["path"])}

    def _client(self, headers: Headers, peer: str) -> str:
        """The last address on the way here that is no trusted proxy's: those before it may be invented."""
        named = ",".join(headers.getlist("x-forwarded-for")).split(",")
        for address in reversed([each.strip() for each in named if each.strip()]):
            try:
                peer = str(ipaddress.ip_address(address))
            except ValueError:
                return peer
            if not self.trusts(peer):
                return peer
        return peer


def inner_path(scope: Scope) -> str:
    """The path below the root, as the application knows it; "" for the root without its slash."""
    path: str = scope["path"]
    return path[len(scope.get("root_path", "")) :]


def _below(root: str, path: str) -> str:
    return path if path == root or path.startswith(root + "/") else root + path


def _nearest(headers: Headers, name: str) -> str:
    """What the nearest proxy says: it comes last where each adds its own."""
    return headers.get(name, "").rpartition(",")[2].strip()


def _network(text: str) -> IpNetwork:
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError as error:
        raise OptionError(
            f"A trusted proxy is '{text}'.", expected="an IP address or a network, such as 10.0.0.0/8"
        ) from error
