"""Events as JSON lines."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ermu.runtime.results import FrameResult
from ermu.runtime.sinks.base import SinkContext
from ermu.runtime.sinks.events import EventWatch
from ermu.runtime.sinks.json_lines import JsonLinesSink
from ermu.runtime.sources.base import DEFAULT_FPS, Frame


class EventSink(JsonLinesSink):
    """One JSON object a line and event: an object appeared, is lost, returned, or was removed."""

    name = "events"
    help = "a JSON object for each object that appears, is lost or returns"

    keys = ("event", "stream", "id", "frame")

    def __init__(self, path: Path, context: SinkContext | None = None) -> None:
        context = context or SinkContext(DEFAULT_FPS)
        super().__init__(path, context)
        self._watch = EventWatch(context.name)

    def records(self, frame: Frame, result: FrameResult) -> list[dict[str, Any]]:
        """See `JsonLinesSink.records`."""
        return [event.record() for event in self._watch.observe(frame, result)]


PLUGIN = EventSink
