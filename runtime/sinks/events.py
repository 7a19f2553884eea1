"""Events: an object has appeared, is lost, is back, or has been taken away."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any

from ermu.runtime.results import FrameResult, ObjectState, Sighting
from ermu.runtime.sources.base import Frame


class EventKind(str, Enum):
    """What has happened to an object."""

    APPEARED = "appeared"
    LOST = "lost"
    RETURNED = "returned"
    REMOVED = "removed"


@dataclass(frozen=True)
class Event:
    """What has happened to an object on a frame.

    Attributes:
        kind: What.
        stream: The stream's name.
        id: The object's, 1 to 254.
        name: The object's.
        frame: Number of the frame after which it is known.
        time: That frame's time, in seconds on the stream's own axis.
        area: Pixels; of an object that is gone, when it was last seen.
        box: x0, y0, x1, y1 in pixels, the latter two exclusive; likewise.
    """

    kind: EventKind
    stream: str
    id: int
    name: str
    frame: int
    time: float
    area: int
    box: tuple[int, int, int, int]

    def record(self) -> dict[str, Any]:
        """Ready for JSON."""
        return {
            "event": self.kind.value,
            "stream": self.stream,
            "id": self.id,
            "name": self.name,
            "frame": self.frame,
            "time": self.time,
            "area": self.area,
            "box": list(self.box),
        }


@dataclass
class _Seen:
    """An object as it was on the frame before, and as it was when it last had a pixel."""

    latest: Sighting
    visible: Sighting


class EventWatch:
    """Tells what has happened from one result to the next; results in between may be missing.

    Args:
        stream: Its name.
    """

    def __init__(self, stream: str) -> None:
        self._stream = stream
        self._seen: dict[int, _Seen] = {}

    def observe(self, frame: Frame, result: FrameResult) -> list[Event]:
        """The events of a frame, by id; removals first."""
        now = {sighting.id: sighting for sighting in result.objects}
        events = []
        for object_id, seen in sorted(self._seen.items()):
            known = now.get(object_id)
            if known is None or known.added_frame != seen.latest.added_frame:
                events.append(self._event(EventKind.REMOVED, seen, frame, result))
                del self._seen[object_id]
        for _, sighting in sorted(now.items()):
            kind = self._look_at(sighting)
            if kind is not None:
                events.append(self._event(kind, self._seen[sighting.id], frame, result))
        return events

    def _look_at(self, sighting: Sighting) -> EventKind | None:
        seen = self._seen.get(sighting.id)
        if seen is None:  # before it has a pixel there is nothing to tell
            if sighting.box is None:
                return None
            self._seen[sighting.id] = _Seen(sighting, sighting)
            return EventKind.APPEARED
        before, seen.latest = seen.latest, sighting
        if sighting.box is not None:
            seen.visible = sighting
        if sighting.found > before.found:
            return EventKind.RETURNED
        lost = sighting.state is ObjectState.LOST and before.state is not ObjectState.LOST
        return EventKind.LOST if lost else None

    def _event(self, kind: EventKind, seen: _Seen, frame: Frame, result: FrameResult) -> Event:
        about, where = seen.latest, seen.visible
        assert where.box is not None
        return Event(
            kind, self._stream, about.id, about.name, result.frame, frame.time, where.area, where.box
        )
