"""What else the machine did while something was timed."""

from __future__ import annotations

import os
from pathlib import Path
from time import perf_counter

BUSY = 0.1  # of a core: more than a desktop or a container's own services take
_STAT = Path("/proc/stat")
_IDLE = slice(3, 5)  # idle, and waiting for a disk
_COUNTED = slice(0, 8)  # user to steal; guests are in user's


class OtherWork:
    """Counts the processor time that others take from now on, on the whole machine."""

    def __init__(self) -> None:
        self._began, self._before = perf_counter(), _others_seconds()

    def cores(self) -> float | None:
        """Processors that others have kept busy since; None where the system does not say."""
        now = _others_seconds()
        if now is None or self._before is None:
            return None
        return max(0.0, now - self._before) / (perf_counter() - self._began)


def _others_seconds() -> float | None:
    """Busy seconds of all processors, without this process's and its children's."""
    if not _STAT.is_file():
        return None
    counted = [int(ticks) for ticks in _STAT.read_text().split("\n", 1)[0].split()[1:]][_COUNTED]
    busy = (sum(counted) - sum(counted[_IDLE])) / os.sysconf("SC_CLK_TCK")
    return busy - sum(os.times()[:4])
