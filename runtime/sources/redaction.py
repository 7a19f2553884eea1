"""Takes passwords out of text that leaves the process: logs, traces, pages."""

from __future__ import annotations

import re

_USER_INFO = re.compile(r"(?<=://)\S+@")
_SECRET_FIELD = re.compile(
    r"(?i)((?:pass(?:word|wd|phrase)?|pwd|token|secret|key|auth|sig(?:nature)?|user(?:name)?)=)[^&/\s]*"
)


def redact(text: str) -> str:
    """The text with the credentials of every URL in it replaced by asterisks.

    Example:
        >>> redact("rtsp://admin:hunter2@10.0.0.9/live?channel=1&token=abc")
        'rtsp://***@10.0.0.9/live?channel=1&token=***'
    """
    return _SECRET_FIELD.sub(r"\1***", _USER_INFO.sub("***@", text))
