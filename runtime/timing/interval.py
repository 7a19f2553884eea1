"""How often something may be said."""

from __future__ import annotations

from time import monotonic


class Interval:
    """Lets one event through, then none for a while: for log lines about what happens all the time.

    Args:
        seconds: Between two events that are let through.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._last: float | None = None

    def due(self) -> bool:
        """Whether this event may pass; the next ones then wait."""
        now = monotonic()
        if self._last is not None and now - self._last < self._seconds:
            return False
        self._last = now
        return True
