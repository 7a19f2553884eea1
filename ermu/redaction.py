"""Takes credentials out of text on its way out of the process: errors, logs, tables, the page, the API.

Every `ErmuError` and every record of the loggers `ermu.*` goes through here when it is made, so whoever shows
one shows no secret.
"""

from __future__ import annotations

import logging
import re
import sys
import threading
import traceback
from typing import Any
from urllib.parse import unquote

HIDDEN = "***"

_EXACT = {
    "acct",
    "code",
    "hash",
    "hmac",
    "key",
    "otp",
    "pas",
    "pin",
    "psk",
    "psw",
    "pw",
    "sid",
    "sig",
    "uid",
    "usr",
}
_PARTS = (
    "accesskey", "apikey", "auth", "bearer", "cookie", "credential", "jwt", "keypair", "login", "pass", "pwd",
    "secret", "session", "signature", "streamid", "token", "user", "xamz", "xgoog",
)  # fmt: skip
_ENDS = ("key", "pas", "pw", "sid")

# Up to one that is hidden; what stands before the @ of hf:// is a repository.
_USER_INFO = re.compile(r"(?<=://)(?<!\bhf://)(?!\*\*\*@)((?:(?!://\*\*\*@).)+)@(.*)")
_BARE_PAIR = re.compile(r"(?<![^\s'\"/(])[^\s:@/'\"=]{1,80}:[^\s@/'\"]{1,80}@(?=[\w\[])")  # without a scheme
_NAME = re.compile(r"[^\s=&?/;#'\"<>()\[\]{},:@]{1,80}=")
_DONE = re.compile(r"\*\*\*(?=[\s&/.:;,)'\"@]|$)")
_IN_TEXT = re.compile(r"(?:(?![.:;,)]+(?:\s|$)|['\"](?:[\s.:;,)\]}]|$))[^&\n])*")
_IN_ADDRESS = re.compile(r"[^&]*", re.DOTALL)
_HEADER = re.compile(r"(?i)\b((?:proxy-)?authorization|(?:set-)?cookie)(\s*:\s*)[^\n'\"]+")
_SCHEME_TOKEN = re.compile(r"\b([Bb]earer|[Bb]asic)\s+(?=\S*(?:[\d=+/~_]|\.\w))[\w+/=.~-]{8,}")


def redact(text: str) -> str:
    """A text with the credentials of every address in it replaced by asterisks.

    Where an address ends in running text is not known: what stands between `://` and the line's last `@`
    goes, and of a secret in a query all up to `&`, a quotation mark or punctuation with a blank behind it.

    Example:
        >>> redact("rtsp://admin:hunter2@10.0.0.9/live?channel=1&token=abc: no answer")
        'rtsp://***@10.0.0.9/live?channel=1&token=***: no answer'
    """
    if "@" not in text and "=" not in text and not _HEADER.search(text) and not _SCHEME_TOKEN.search(text):
        return text
    lines = (_without_user_info(line, _IN_TEXT) for line in text.split("\n"))
    text = _BARE_PAIR.sub(f"{HIDDEN}@", _without_fields("\n".join(lines), _IN_TEXT))
    return _SCHEME_TOKEN.sub(rf"\1 {HIDDEN}", _HEADER.sub(rf"\1\2{HIDDEN}", text))


def redacted(value: Any) -> Any:
    """As `redact`, of all text in what is to become JSON; what a secret's name stands for is hidden whole."""
    if isinstance(value, dict):
        return {
            key: HIDDEN if isinstance(each, str) and _is_secret(str(key)) else redacted(each)
            for key, each in value.items()
        }
    if isinstance(value, (list, tuple)):
        return [redacted(each) for each in value]
    return redact(value) if isinstance(value, str) else value


def shown_address(address: str) -> str:
    """As `redact`, of a text that is one address and nothing else: exact whatever its secrets hold.

    Example:
        >>> shown_address("rtmp://admin:p@ss? word@cam/live?key=a b")
        'rtmp://***@cam/live?key=***'
    """
    one_line = address.replace("\r", " ").replace("\n", " ")
    text = _without_fields(_without_user_info(one_line, _IN_ADDRESS), _IN_ADDRESS)
    return _BARE_PAIR.sub(f"{HIDDEN}@", text)


def redact_log() -> None:
    """Has every record of the loggers `ermu` and `ermu.*` say no secret, whoever listens; once is enough.

    The records of other loggers stay as they are.
    """
    factory = logging.getLogRecordFactory()
    if getattr(factory, "redacts_ermu", False):
        return

    def clean(*args: Any, **keywords: Any) -> logging.LogRecord:
        record = factory(*args, **keywords)
        if f"{record.name}.".startswith("ermu."):
            record.msg, record.args = redact(record.getMessage()), None
            if record.exc_info:
                told = "".join(traceback.format_exception(*record.exc_info)).rstrip("\n")
                record.exc_text, record.exc_info = redact(told), None
        return record

    clean.redacts_ermu = True  # type: ignore[attr-defined]
    logging.setLogRecordFactory(clean)


def print_traceback(error: BaseException) -> None:
    """What ends a command or a thread of it, on stderr, without secrets."""
    sys.stderr.write(redact("".join(traceback.format_exception(error))))


def redact_threads() -> None:
    """Has threads of this process end so: for a command, not for a program that imports ERMU."""

    def hook(args: threading.ExceptHookArgs) -> None:
        if args.exc_value is not None and not isinstance(args.exc_value, SystemExit):
            print_traceback(args.exc_value)

    threading.excepthook = hook


def _without_user_info(line: str, value: re.Pattern[str]) -> str:
    found = _USER_INFO.search(line)
    if not found:
        return line
    inside, rest = found.groups()
    if _ends_in_secret(inside, value):  # the `@` belongs to a secret of the query, which goes on behind it
        rest = HIDDEN + rest[_end(value, rest, 0) :]
    return f"{line[: found.start()]}{HIDDEN}@{_without_user_info(rest, value)}"


def _ends_in_secret(text: str, value: re.Pattern[str]) -> bool:
    names = [name for name in _NAME.finditer(text) if _is_secret(name[0][:-1])]
    return bool(names) and _end(value, text, names[-1].end()) == len(text)


def _without_fields(text: str, value: re.Pattern[str]) -> str:
    """With the values of all `name=value` hidden whose name tells a secret."""
    parts, at = [], 0
    for name in _NAME.finditer(text):
        if name.start() < at or not _is_secret(name[0][:-1]):
            continue
        end = _end(value, text, name.end())
        if end > name.end():
            parts += [text[at : name.end()], HIDDEN]
            at = end
    return "".join(parts) + text[at:]


def _end(value: re.Pattern[str], text: str, begin: int) -> int:
    """Where a value that begins there ends; one that is hidden already ends with its asterisks."""
    found = _DONE.match(text, begin) or value.match(text, begin)
    return found.end() if found else begin


def _is_secret(name: str) -> bool:
    plain = re.sub(r"[^a-z0-9]", "", unquote(unquote(name)).lower())
    return plain in _EXACT or plain.endswith(_ENDS) or any(part in plain for part in _PARTS)
