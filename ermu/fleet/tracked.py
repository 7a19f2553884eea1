"""A stream as the fleet knows it: where it is, how often it moved, what it lost, whether it is a suspect."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from enum import Enum
from time import monotonic
from typing import Any

from ermu.runtime.config.schema import StreamEntry

CLEAN_SECONDS = 60.0  # in a worker, after which earlier crashes are forgotten
_FIRST_RETRY, _LAST_RETRY = 2.0, 60.0

logger = logging.getLogger("ermu.fleet")


class Standing(str, Enum):
    """Where a stream stands; `quarantined` means that it has crashed its worker too often."""

    PLACED = "placed"
    WAITING = "waiting"
    QUARANTINED = "quarantined"


@dataclass(frozen=True)
class _Outage:
    """Since when a stream has not been heard of, and what it was like before."""

    since: float
    rate: float
    frame: int


@dataclass
class TrackedStream:
    """A stream.

    Attributes:
        entry: With all that its file says of it.
        standing: Where it stands.
        worker: Who has it, None while it waits.
        said: What its worker said of it last.
        error: Why it waits, or is in quarantine.
        moves: Times that it went on in another worker.
        frames_lost: Of its source, which nobody segmented meanwhile.
        frames_again: Segmented after the snapshot that it went on from, and so forgotten.
        strikes: Crashes that it alone is to blame for.
        suspicions: Crashes that it was there at, with others.
        retry_at: Before which it is not placed.
    """

    entry: StreamEntry
    standing: Standing = Standing.WAITING
    worker: str | None = None
    said: dict[str, Any] | None = None
    error: str | None = None
    moves: int = 0
    frames_lost: int = 0
    frames_again: int = 0
    strikes: int = 0
    suspicions: int = 0
    retry_at: float = 0.0
    _retry: float = field(default=_FIRST_RETRY, repr=False)
    _since: float = field(default_factory=monotonic, repr=False)
    _heard: float = field(default=0.0, repr=False)
    _outage: _Outage | None = field(default=None, repr=False)

    @property
    def suspect(self) -> bool:
        """Whether it was there at a crash lately."""
        return self.strikes + self.suspicions > 0

    def place(self, worker: str) -> None:
        """It goes on in a worker."""
        self.standing, self.worker, self.error = Standing.PLACED, worker, None
        self._since, self._retry = monotonic(), _FIRST_RETRY

    def wait(self, error: str, *, soon: bool = False) -> None:
        """It cannot be placed now; the next try is later each time, or soon where only room is missing."""
        self.standing, self.worker, self.error = Standing.WAITING, None, error
        self.retry_at = monotonic() + (1.0 if soon else self._retry)
        if not soon:
            self._retry = min(2 * self._retry, _LAST_RETRY)

    def leave(self, why: str) -> None:
        """It is in no worker any more, and is to be placed at once."""
        info = self.said["info"] if self.said else {}
        if self._outage is None and self.said is not None:
            self._outage = _Outage(self._heard, info["fps_in"], info["frame"])
        self.standing, self.worker, self.error, self.retry_at = Standing.WAITING, None, why, 0.0

    def blame(self, tries: int) -> None:
        """Its worker crashed through it; in quarantine after so many tries."""
        self.strikes += 1
        if self.strikes >= tries:
            self.standing = Standing.QUARANTINED
            self.error = f"It crashed its worker {self.strikes} times. Remove it and add it again to retry."
            logger.error("The stream %s is in quarantine: %s", self.entry.name, self.error)

    def observe(self, said: dict[str, Any]) -> None:
        """Takes in what its worker says of it."""
        now, info, outage = monotonic(), said["info"], self._outage
        if outage is not None and info["frame"] >= 0 and info["frames"] > 0:
            self._count(outage, said, now - outage.since)
            self._outage = None
        self.said, self._heard = said, now
        if self.suspect and now - self._since > CLEAN_SECONDS:
            self.strikes = self.suspicions = 0

    def as_json(self) -> dict[str, Any]:
        """Ready for JSON."""
        said = self.said or {}
        return {
            "name": self.entry.name,
            "standing": self.standing.value,
            "worker": self.worker,
            "bundle": self.entry.bundle,
            "moves": self.moves,
            "frames_lost": self.frames_lost,
            "frames_again": self.frames_again,
            "strikes": self.strikes,
            "saved_frame": said.get("saved_frame"),
            "objects": said.get("objects", {}),
            "error": self.error,
        }

    def _count(self, outage: _Outage, said: dict[str, Any], seconds: float) -> None:
        """A stream is back: what the way here cost."""
        again = max(0, outage.frame - (said["restored_frame"] or 0)) if said["restored_frame"] else 0
        lost = 0 if said["replays"] else round(outage.rate * seconds)
        self.moves, self.frames_lost = self.moves + 1, self.frames_lost + lost
        self.frames_again += again
        text = "The stream %s goes on in %s after %.1f s: %d frames lost, the memory of %d begun again."
        logger.warning(text, self.entry.name, self.worker, seconds, lost, again)
