"""How far apart a live stream's frames are, and so after what time one is missing."""

from __future__ import annotations

from collections import deque
from statistics import median

_LEAST = 1.0  # s
_BEFORE = 5.0  # s, until that is known: a connection begins with frames that were read together
_PERIODS = 3
_RECENT = 9


class Cadence:
    """Times between a stream's latest frames.

    Args:
        given: Seconds after which a frame is missing, whatever comes; None, three usual times between frames,
            a second at least.
    """

    def __init__(self, given: float | None = None) -> None:
        self._given = given
        self._gaps: deque[float] = deque(maxlen=_RECENT)
        self._latest: float | None = None

    def tick(self, stamp: float) -> None:
        """A frame has come, at a monotonic time."""
        if self._latest is not None:
            self._gaps.append(stamp - self._latest)
        self._latest = stamp

    def interrupted(self) -> None:
        """The time until the next frame is none of the stream's."""
        self._latest = None

    @property
    def patience(self) -> float:
        """Seconds without a frame after which one is missing."""
        if self._given is not None:
            return self._given
        gaps = list(self._gaps)
        least = _LEAST if len(gaps) == _RECENT else _BEFORE
        return max(least, _PERIODS * median(gaps)) if gaps else least
