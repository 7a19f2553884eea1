"""The trace: what happened in the memory on every frame, and how long each stage took."""

from __future__ import annotations

from typing import Any

import numpy as np

from ermu.runtime.memory.update import MemoryUpdate
from ermu.runtime.results import FrameResult
from ermu.runtime.sinks.json_lines import JsonLinesSink
from ermu.runtime.sources.base import Frame


class TraceSink(JsonLinesSink):
    """One JSON object a line and frame: memory, evictions, scores and times."""

    name = "trace"
    help = "a JSON object a frame: memory, evictions, scores, times"

    keys = ("frame", "name", "ms")

    def records(self, frame: Frame, result: FrameResult) -> list[dict[str, Any]]:
        """See `JsonLinesSink.records`."""
        return [trace_record(frame, result)]


def trace_record(frame: Frame, result: FrameResult) -> dict[str, Any]:
    """A frame's line in the trace; with several groups, `groups` repeats the memory fields for each."""
    groups = [memory_record(update) for update in result.memory]
    record = {"frame": result.frame, "name": frame.name, **(groups[0] if groups else {})}
    if len(groups) > 1:
        record["groups"] = groups
    return {**record, "ms": {stage: round(ms, 3) for stage, ms in result.ms.items()}}


def memory_record(update: MemoryUpdate) -> dict[str, Any]:
    """A group's memory after a frame, ready for JSON."""
    decision = update.decision
    return {
        "group": update.group,
        "memory_frames": update.frames,
        "evicted": update.evicted,
        "relevance": _numbers(decision.relevance),
        "relevance_mean": _numbers(decision.relevance_mean),
        "redundancy": _numbers(decision.redundancy),
        "scores": _numbers(decision.scores),
    }


def _numbers(vector: np.ndarray[Any, Any] | None) -> list[float] | None:
    return None if vector is None else [round(float(x), 8) for x in vector]


PLUGIN = TraceSink
