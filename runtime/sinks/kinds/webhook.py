"""Events to a web server: a POST each."""

from __future__ import annotations

import json
from base64 import b64encode
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Any
from uuid import uuid4

from ermu.runtime.results import FrameResult
from ermu.runtime.sinks.address import Address
from ermu.runtime.sinks.base import Sink, SinkContext, needed_target
from ermu.runtime.sinks.events import EventWatch
from ermu.runtime.sinks.outbox import Outbox, UndeliveredError
from ermu.runtime.sources.base import Frame
from ermu.runtime.timing.wall_clock import utc
from ermu.version import __version__

_EXAMPLE = "https://host/hook"
_TIMEOUT = 5.0
_CLOSE_SECONDS = {True: 1.0, False: 30.0}  # by whether the stream is live: then the end is to come soon
_LATER = (408, 425, 429)


class WebhookSink(Sink):
    """POSTs a JSON object an event, in order; a server that is away or says 5xx gets it later.

    A try that is repeated has the same `Idempotency-Key`. Redirects are not followed. Of the address only
    scheme, host and port are ever shown.

    Args:
        address: http or https.
        context: Of the stream.
    """

    name = "webhook"
    help = "a POST for each object that appears, is lost or returns, to a URL"

    def __init__(self, address: Address, context: SinkContext) -> None:
        self._address, self._live = address, context.live
        self._watch = EventWatch(context.name)
        self.outbox = Outbox(self._post, str(address), stream=context.name if context.live else None)

    @classmethod
    def open(cls, target: str | None, context: SinkContext) -> WebhookSink:
        """See `Sink.open`."""
        url = needed_target(target, cls.name, _EXAMPLE)
        return cls(Address.of(url, ("https", "http"), _EXAMPLE), context)

    @property
    def problem(self) -> str | None:
        """See `Sink.problem`."""
        return self.outbox.problem

    def write(self, frame: Frame, result: FrameResult) -> None:
        """See `Sink.write`."""
        for event in self._watch.observe(frame, result):
            self.outbox.put((str(uuid4()), {**event.record(), "utc": utc(frame.stamp)}))

    def close(self) -> None:
        """See `Sink.close`; raises where events were lost."""
        self.outbox.close(_CLOSE_SECONDS[self._live])

    def _post(self, item: tuple[str, dict[str, Any]]) -> None:
        key, record = item
        address = self._address
        kind = HTTPSConnection if address.scheme == "https" else HTTPConnection
        connection = kind(address.host, address.port, timeout=_TIMEOUT)
        try:
            connection.request("POST", address.path or "/", json.dumps(record).encode(), self._headers(key))
            status = connection.getresponse().status
        except (OSError, HTTPException) as error:
            reason = error.strerror if isinstance(error, OSError) else None
            raise UndeliveredError(reason or type(error).__name__, again=True) from None
        finally:
            connection.close()
        if not 200 <= status < 300:
            raise UndeliveredError(f"answers {status}", again=status >= 500 or status in _LATER)

    def _headers(self, key: str) -> dict[str, str]:
        headers = {
            "Content-Type": "application/json",
            "User-Agent": f"ermu/{__version__}",
            "Idempotency-Key": key,
        }
        if self._address.user is not None:
            pair = f"{self._address.user}:{self._address.password or ''}"
            headers["Authorization"] = f"Basic {b64encode(pair.encode()).decode()}"
        return headers


PLUGIN = WebhookSink
