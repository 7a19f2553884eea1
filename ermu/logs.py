"""The log of the logger `ermu`: quiet unless somebody listens, as lines or JSON, by stream, never a flood."""

from __future__ import annotations

import json
import logging
import os
import sys
from collections import OrderedDict
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import partial
from threading import Lock
from time import monotonic

from ermu.redaction import redact, redacted

FORMATS = ("text", "json")
BURST = 5  # lines of a kind that may come at once
MINUTE = 60.0  # seconds after which another may
_LIVE = ("ermu.backends", "ermu.sinks", "ermu.sources", "ermu.streams")  # loggers of what streams do
_OWN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "left_out"}
_KINDS = 1024
_PRIORITIES = {logging.CRITICAL: 2, logging.ERROR: 3, logging.WARNING: 4, logging.INFO: 6, logging.DEBUG: 7}
_stream: ContextVar[str | None] = ContextVar("ermu_stream", default=None)


@contextmanager
def in_stream(name: str | None) -> Iterator[None]:
    """A `with` block whose log lines, in this thread, are about a live stream; None, about none."""
    before = _stream.set(name)
    try:
        yield
    finally:
        _stream.reset(before)


@dataclass
class _Allowance:
    """Lines of one kind that may still be said, when that was so, and how many were left out since."""

    lines: float
    then: float
    left_out: int = 0


class Repeats:
    """The one rule of how often a thing is said: `BURST` times at once, and once a minute after that.

    In constant memory; may be asked from any thread.
    """

    def __init__(self) -> None:
        self._allowances: OrderedDict[Hashable, _Allowance] = OrderedDict()
        self._lock = Lock()

    def left_out(self, kind: Hashable) -> int | None:
        """How many of a kind have been left out before this one; None where this one is to be, too."""
        now = monotonic()
        with self._lock:
            allowed = self._allowances.pop(kind, None) or _Allowance(BURST, now)
            allowed.lines = min(BURST, allowed.lines + (now - allowed.then) / MINUTE)
            allowed.then = now
            self._allowances[kind] = allowed
            if len(self._allowances) > _KINDS:
                self._allowances.popitem(last=False)
            if allowed.lines < 1:
                allowed.left_out += 1
                return None
            allowed.lines -= 1
            before, allowed.left_out = allowed.left_out, 0
            return before


class LimitRepeats(logging.Filter):
    """Applies `Repeats` to what is said of live streams and of the server.

    A kind is a place in the code, and a stream. `record.left_out` says how many were left out before it.
    """

    def __init__(self) -> None:
        super().__init__()
        self._repeats = Repeats()

    def filter(self, record: logging.LogRecord) -> bool:
        """See `logging.Filter.filter`."""
        stream = getattr(record, "stream", None)
        if stream is None and record.name != "ermu.serve":
            return True
        before = self._repeats.left_out((record.pathname, record.lineno, stream))
        if before is None:
            return False
        record.left_out = before + getattr(record, "left_out", 0)
        return True


def _name_stream(record: logging.LogRecord) -> bool:
    """A filter that names the stream that a record is about."""
    stream = _stream.get()
    if stream is not None:
        record.stream = stream
    return True


def _name_worker(worker: str, record: logging.LogRecord) -> bool:
    """A filter that names the worker whose process this is."""
    record.worker = worker
    return True


for _name in _LIVE:
    logging.getLogger(_name).addFilter(_name_stream)


def message_of(record: logging.LogRecord) -> str:
    """A record's text, before it its worker and stream, after it how many like it were left out."""
    left_out, text = getattr(record, "left_out", 0), record.getMessage()
    for whose in ("stream", "worker"):
        name = getattr(record, whose, None)
        if name is not None and not text.startswith(f"The {whose} {name} "):  # then it is named already
            text = f"{whose} {name}: {text}"
    return f"{text} ({left_out} more like it were left out)" if left_out else text


def exception_of(record: logging.LogRecord) -> str:
    """The traceback of a record's exception, which has been made text where `redact_log` has seen it."""
    return record.exc_text or logging.Formatter().formatException(record.exc_info)  # type: ignore[arg-type]


class TextFormatter(logging.Formatter):
    """A line: time, level, logger, stream, message; in systemd's journal a priority in place of the time."""

    def __init__(self, *, journal: bool = False) -> None:
        super().__init__()
        self._journal = journal

    def format(self, record: logging.LogRecord) -> str:
        """See `logging.Formatter.format`."""
        line = f"{record.levelname} {record.name}: {message_of(record)}"
        if not self._journal:
            line = f"{datetime.fromtimestamp(record.created):%H:%M:%S} {line}"
        if record.exc_text or record.exc_info:
            line += "\n" + exception_of(record)
        priority = f"<{_PRIORITIES.get(record.levelno, 5)}>" if self._journal else ""
        return "\n".join(priority + each for each in line.splitlines())


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time, level, logger, message; stream, exception and extra fields if any."""

    def format(self, record: logging.LogRecord) -> str:
        """See `logging.Formatter.format`."""
        line = {
            "time": datetime.fromtimestamp(record.created, timezone.utc).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if getattr(record, "left_out", 0):
            line["left_out"] = record.left_out  # type: ignore[attr-defined]
        if record.exc_text or record.exc_info:
            line["exception"] = exception_of(record)
        extra = {name: value for name, value in vars(record).items() if name not in _OWN}
        return json.dumps({**redacted(extra), **line}, default=lambda value: redact(str(value)))


def show_log(*, verbose: bool, form: str = "text", worker: str | None = None) -> None:
    """Sends the log to stderr: warnings and errors, and with `verbose` what goes well too.

    Args:
        verbose: Reconnects and drops as well.
        form: `text`, or `json` for machines.
        worker: Of a fleet, where this process is one: every record names it.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if form == "json" else TextFormatter(journal=_to_journal()))
    if worker is not None:
        handler.addFilter(partial(_name_worker, worker))
    handler.addFilter(LimitRepeats())
    logger = logging.getLogger("ermu")
    logger.handlers[:] = [handler]
    logger.setLevel(logging.INFO if verbose else logging.WARNING)
    logger.propagate = False


def _to_journal() -> bool:
    """Whether stderr is systemd's journal, as `$JOURNAL_STREAM` of systemd.exec(5) tells."""
    try:
        found = os.fstat(2)
    except OSError:
        return False
    return os.environ.get("JOURNAL_STREAM") == f"{found.st_dev}:{found.st_ino}"
