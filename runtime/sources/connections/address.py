"""An address with its credentials apart, however the operator wrote it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from urllib.parse import quote, unquote

from ermu.errors import OptionError
from ermu.redaction import HIDDEN, shown_address

PORTS = {"rtsp": 554, "rtsps": 322, "http": 80, "https": 443, "rtmp": 1935, "rtmps": 443}

_QUERY = re.compile(r"[^?#]*\?[^=]*=")
_ODD_PORT = re.compile(r"[^/?#\[\]@]*:(?!\d*(?:[/?#]|$))")
_PLACE = re.compile(r"[^/?#]*")
_HOST = re.compile(r"(\[[^\]]*\]|[^:]*)(?::(\d+))?")


@dataclass(frozen=True)
class Address:
    """Of a stream.

    Attributes:
        scheme: In lower case: `rtsp`.
        place: Host and port as written.
        rest: Path, query and fragment.
        user: Decoded; None where the address names nobody.
        password: Decoded.
    """

    scheme: str
    place: str
    rest: str = field(repr=False)
    user: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)

    @classmethod
    def parsed(cls, text: str) -> Address:
        """An address; a password may hold `@`, `#`, `?`, `/` and blanks as they are, or percent-encoded."""
        scheme, _, rest = text.partition("://")
        end = _user_info_end(rest)
        info, rest = (rest[:end], rest[end + 1 :]) if end > 0 else ("", rest.removeprefix("@"))
        place = _PLACE.match(rest)[0]  # type: ignore[index]
        name, mark, password = info.partition(":")
        user = unquote(name) if info else None
        return cls(scheme.lower(), place, rest[len(place) :], user, unquote(password) if mark else None)

    def with_credentials(self, user: str | None, password: str | None) -> Address:
        """The same address for a user.

        Raises:
            OptionError: it names one already.
        """
        if user is None and password is None:
            return self
        if self.user is not None:
            raise OptionError(
                f"{self.shown} has credentials in it, and others are given beside it.",
                expected="one of them",
                fix="take them out of the address",
            )
        return replace(self, user=user or "", password=password)

    @property
    def url(self) -> str:
        """As FFmpeg takes it, the credentials percent-encoded."""
        if self.user is None:
            return self.bare
        info = quote(self.user, safe="")
        if self.password is not None:
            info += f":{quote(self.password, safe='')}"
        return f"{self.scheme}://{info}@{self.bare.partition('://')[2]}"

    @property
    def bare(self) -> str:
        """Without user and password."""
        return f"{self.scheme}://{self.place}{self.rest}".replace(" ", "%20")

    @property
    def shown(self) -> str:
        """Fit for logs and pages."""
        info = "" if self.user is None else f"{HIDDEN}@"
        bare = shown_address(f"{self.scheme}://{self.place}{self.rest}")
        return bare.replace("://", f"://{info}", 1)

    @property
    def host(self) -> str:
        """Without the brackets of IPv6."""
        return self._host_and_port[0].strip("[]")

    @property
    def port(self) -> int | None:
        """The scheme's own where none is given, None where it has none."""
        return int(self._host_and_port[1] or 0) or PORTS.get(self.scheme)

    @property
    def at(self) -> str:
        """Host and port in a message."""
        return f"{self._host_and_port[0]}:{self.port}" if self.port else self.place

    @property
    def _host_and_port(self) -> tuple[str, str | None]:
        found = _HOST.match(self.place)
        return (found[1], found[2]) if found else (self.place, None)


def _user_info_end(text: str) -> int:
    """Where the `@` behind user and password is, -1 where there are none.

    By RFC 3986 it is the last one before `/`, `?` or `#`. People write passwords as they are, though: an `@`
    behind one of these counts as well, unless it stands in a query.
    """
    authority: str = _PLACE.match(text)[0]  # type: ignore[index]
    by_rule, wider = authority.rfind("@"), text.partition("/")[0].rfind("@")
    if text[len(authority) :].startswith("#"):  # no fragment stands behind a host
        return wider if wider > len(authority) else text.rfind("@")
    if wider > by_rule and not _QUERY.match(text[by_rule + 1 : wider]):
        return wider
    if by_rule < 0 and _ODD_PORT.match(text):
        return text.rfind("@")
    return by_rule
