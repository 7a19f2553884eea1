"""Why a stream does not come, in an operator's words."""

from __future__ import annotations

import errno
import re
import socket
import ssl
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass
from http.client import HTTPException
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from ermu.errors import SourceError
from ermu.runtime.sources.connections.address import Address

_LOOK_SECONDS = 1.5
_TITLE = re.compile(r"<title[^>]*>\s*(.{1,60}?)\s*</title", re.IGNORECASE | re.DOTALL)
_NO_TCP = ("srt", "udp")
_CHECK = "check the address and the camera"


@dataclass(frozen=True)
class Reason:
    """What happened, and what to do about it."""

    problem: str
    fix: str = _CHECK


def explained(
    address: Address, error: Exception, *, begun: bool = False, timed_out: bool = False
) -> SourceError:
    """What FFmpeg met, said so that an operator knows; it may ask the host once more to find out.

    Args:
        address: Of the stream.
        error: PyAV's.
        begun: Whether pictures had come.
        timed_out: Whether that time was over, which FFmpeg may take for damaged data.
    """
    silent = type(error).__name__ in ("ExitError", "TimeoutError") or (timed_out and not begun)
    if silent and begun:
        reason = Reason("nothing comes", "look whether the camera or the network hangs")
    else:
        reason = _silent(address) if silent else _told(address, error)
    return SourceError(f"{address.shown}: {reason.problem}.", fix=reason.fix)


def unopened(address: Address) -> SourceError:
    """Why an address cannot be opened, found out without FFmpeg."""
    reason = unanswered(address) or looked_at(address) or Reason("it cannot be opened")
    return SourceError(f"{address.shown}: {reason.problem}.", fix=reason.fix)


def unanswered(address: Address) -> Reason | None:
    """Why no connection can be made, None where one can."""
    if address.scheme in _NO_TCP or not address.host or address.port is None:
        return None
    try:
        socket.create_connection((address.host, address.port), _LOOK_SECONDS).close()
    except socket.gaierror:
        return Reason(f"there is no host called '{address.host}'", "check the name, or this machine's DNS")
    except ConnectionRefusedError:
        return Reason(
            f"nothing listens at {address.at} (connection refused)",
            "check the port, and that the camera runs",
        )
    except TimeoutError:
        return Reason(f"{address.at} does not answer", "check that it is switched on, and firewalls between")
    except OSError as error:
        return Reason(f"{address.at} cannot be reached ({error.strerror or error})", "check the network")
    return None


def looked_at(address: Address) -> Reason | None:
    """What an HTTP address gives in place of video, None where that cannot be said."""
    if address.scheme not in ("http", "https"):
        return None
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # as FFmpeg does: cameras sign themselves
    try:
        with urlopen(_request(address), timeout=_LOOK_SECONDS, context=context) as answer:
            kind, body = answer.headers.get_content_type(), answer.read(4096)
    except HTTPError as error:
        return _refused(address, error.code)
    except (HTTPException, OSError, ValueError):
        return None
    if kind == "text/html":
        title = _TITLE.search(" ".join(body.decode("utf-8", "replace").split()))
        named = f" called '{''.join(filter(str.isprintable, title[1]))}'" if title else ""
        return Reason(
            f"a web page{named} comes in place of video, perhaps to log in",
            "take the address of the stream itself, not of the camera's page",
        )
    if kind.startswith("image/"):
        return SNAPSHOT
    return Reason(
        f"what comes is no video that FFmpeg knows ({kind})", "take the address of the stream itself"
    )


SNAPSHOT = Reason(
    "one picture comes (a snapshot), no stream", "take the camera's RTSP or motion JPEG address instead"
)


def _told(address: Address, error: Exception) -> Reason:
    names = [kind.__name__ for kind in type(error).__mro__]
    for name, tell in _BY_CLASS.items():
        if name in names:
            return tell(address)
    if getattr(error, "errno", None) in (errno.EPROTONOSUPPORT, errno.EPROTOTYPE):
        return Reason(
            "it does not offer this transport of RTSP", "--rtsp-transport auto tries TCP and then UDP"
        )
    text = getattr(error, "strerror", None) or type(error).__name__
    return unanswered(address) or Reason(text[:1].lower() + text[1:])


def _refused(address: Address, status: int) -> Reason:
    if status == 401 and address.user is None:
        return Reason(
            "it asks for a user name and a password (401)",
            "give them in a streams file (--config), or the address",
        )
    if status == 401:
        return Reason("it refuses the user name or the password (401)", "check both")
    if status == 403:
        return Reason("this user may not see the stream (403)", "check the user's rights at the camera")
    if status == 404:
        return Reason(
            f"{address.at} has no stream at this path (404)", "check what follows the host in the address"
        )
    if status >= 500:
        return Reason(f"the server has a fault of its own ({status})", "look at the camera or its server")
    return Reason("the server refuses the request")


def _silent(address: Address) -> Reason:
    if address.scheme in _NO_TCP:
        return Reason("nothing comes", "check that the sender runs, and sends here")
    return unanswered(address) or Reason(
        f"{address.at} accepts the connection and stays silent",
        "check that this is the port of the stream, and that the camera is not overloaded",
    )


def _no_video(address: Address) -> Reason:
    if address.scheme in ("rtsp", "rtsps"):
        return Reason(f"what answers at {address.at} does not speak RTSP", "check the port")
    return looked_at(address) or Reason("what comes is no video that FFmpeg knows")


_Tell = Callable[[Address], Reason]


def _status(number: int) -> _Tell:
    return lambda address: _refused(address, number)


_BY_CLASS: dict[str, _Tell] = {
    "HTTPUnauthorizedError": _status(401),
    "HTTPForbiddenError": _status(403),
    "HTTPNotFoundError": _status(404),
    "HTTPClientError": _status(400),
    "HTTPServerError": _status(500),
    "ConnectionRefusedError": lambda address: unanswered(address) or Reason("the connection is refused"),
    "ConnectionResetError": lambda _: Reason("the other side closed the connection"),
    "BrokenPipeError": lambda _: Reason("the other side closed the connection"),
    "EOFError": lambda _: Reason("the other side closed the connection before a picture came"),
    "ProtocolNotFoundError": lambda address: Reason(
        f"the FFmpeg that PyAV brings knows no {address.scheme}://",
        "have a relay hand it on as RTSP (MediaMTX does), or build PyAV on an FFmpeg that knows it: "
        "docs/inputs.md"
        if address.scheme == "srt"
        else "take another address of the stream",
    ),
    "InvalidDataError": _no_video,
}


def _request(address: Address) -> Request:
    request = Request(address.bare, headers={"User-Agent": "ermu"})
    if address.user is not None:
        pair = f"{address.user}:{address.password or ''}".encode()
        request.add_unredirected_header("Authorization", f"Basic {b64encode(pair).decode()}")
    return request
