"""The time of day of what was stamped with the monotonic clock."""

from __future__ import annotations

from datetime import datetime, timezone
from time import monotonic, time


def utc(stamp: float) -> str:
    """When the monotonic clock said `stamp`, as ISO 8601 in UTC with milliseconds: `...T12:00:00.250Z`."""
    then = datetime.fromtimestamp(time() - (monotonic() - stamp), timezone.utc)
    return then.isoformat(timespec="milliseconds").replace("+00:00", "Z")
