"""The token that a server asks for, and the cookie that stands for it in a browser."""

from __future__ import annotations

import hmac
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import Scope

from ermu.errors import OptionError

_SHORTEST = 16


def check_token(token: str) -> None:
    """Refuses a token that is easily guessed, or that headers cannot carry.

    Raises:
        OptionError: it is one of them.
    """
    if len(token) < _SHORTEST:
        raise OptionError(f"The token has {len(token)} characters.", expected=f"at least {_SHORTEST}")
    if not all("!" <= character <= "~" for character in token):
        raise OptionError(
            "The token has characters that an HTTP header cannot carry.",
            expected="letters, digits and signs of ASCII, no spaces",
            fix='ERMU_TOKEN="$(openssl rand -hex 16)"',
        )


class Token:
    """A secret that every request has to bring.

    The cookie's name and value are drawn from the token: servers with different tokens on one host do not
    overwrite each other's (browsers tell cookies apart by host and path, not by port), those with the same
    token share it, and it does not give the token away.

    Args:
        token: As `check_token` wants it.
    """

    def __init__(self, token: str) -> None:
        self._token = token.encode()
        drawn = hmac.digest(self._token, b"ermu cookie", "sha256").hex()
        self.cookie, self._value = f"ermu_{drawn[:8]}", drawn[8:]

    def is_in(self, headers: Headers) -> bool:
        """Whether a request brings it as `Authorization: Bearer`, or its cookie."""
        scheme, _, bearer = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and _equal(bearer.strip(), self._token):
            return True
        return _equal(_cookie(headers, self.cookie), self._value.encode())

    def is_asked(self, scope: Scope) -> bool:
        """Whether a request brings it in its address."""
        asked = parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[0]
        return _equal(asked, self._token)

    def give(self, answer: Response, scope: Scope, *, secure: bool) -> None:
        """Has the browser keep the cookie, for the page's own path; `secure`, for HTTPS alone."""
        answer.set_cookie(
            self.cookie, self._value, httponly=True, samesite="strict",
            path=scope.get("root_path", "") + "/", secure=secure,
        )  # fmt: skip


def _equal(given: str, wanted: bytes) -> bool:
    return hmac.compare_digest(given.encode("utf-8", "surrogatepass"), wanted)


def _cookie(headers: Headers, name: str) -> str:
    try:
        morsel = SimpleCookie(headers.get("cookie", "")).get(name)
    except CookieError:
        return ""
    return morsel.value if morsel else ""
