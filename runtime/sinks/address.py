"""Where events are sent: an address that may hold a password, and is never shown whole."""

from __future__ import annotations

import os
import re
from collections.abc import Collection
from dataclasses import dataclass, field
from urllib.parse import quote, unquote, urlsplit

from ermu.errors import OptionError

_FROM_ENVIRONMENT = re.compile(r"\$\{(\w+)\}")
_SAFE = "/?&=%:;,+~@!$'()*-._[]"
_UNSAFE = re.compile(r"[\x00-\x20\x7f]")


@dataclass(frozen=True)
class Address:
    """The parts of a URL.

    Attributes:
        scheme: In lower case.
        host: Name or number.
        port: None where none is given.
        user, password: Decoded; None where there are none.
        path: With the query, as it goes over the wire. Often a secret of its own.
    """

    scheme: str
    host: str
    port: int | None = None
    user: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)
    path: str = field(default="", repr=False)

    @classmethod
    def of(cls, url: str, schemes: Collection[str], example: str) -> Address:
        """The address that a URL names; `${NAME}` in it stands for a variable of the environment.

        Raises:
            OptionError: it is none of those schemes', has no host, or a variable is not set; what was given
                is not repeated.
        """
        text = _FROM_ENVIRONMENT.sub(_variable, url)
        try:
            parts = urlsplit(text)
            port = parts.port
        except ValueError:
            parts, port = urlsplit(""), None
        if parts.scheme not in schemes or not parts.hostname or _UNSAFE.search(text):
            raise OptionError(
                "Events cannot be sent to such an address.",
                expected=f"{' or '.join(f'{scheme}://' for scheme in schemes)}, a host, no spaces: {example}",
            )
        user, password = (part and unquote(part) for part in (parts.username, parts.password))
        path = parts.path + (f"?{parts.query}" if parts.query else "")
        return cls(parts.scheme, parts.hostname, port, user, password, quote(path, safe=_SAFE))

    def __str__(self) -> str:
        """Fit for logs and pages: scheme, host and port alone."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}" + (f":{self.port}" if self.port else "")


def _variable(match: re.Match[str]) -> str:
    value = os.environ.get(match[1])
    if value is None:
        raise OptionError(f"The environment has no variable {match[1]}.", fix=f"set {match[1]}")
    return quote(value, safe="")
