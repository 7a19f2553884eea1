"""Whether every stream flows and every sink writes, and if not, why: for orchestrators and people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ermu.redaction import redact
from ermu.runtime.serve.streams import ServedStream
from ermu.runtime.sinks.feeder import SinkFeeder, SinkState
from ermu.runtime.sources.reader import StreamState

STUCK_SECONDS = 10.0  # over one result, after which a sink does not write any more


def readiness(streams: Mapping[str, ServedStream]) -> dict[str, Any]:
    """Ready for JSON: `ready`, and of every stream `name`, `ready` and `reasons`."""
    told = [_stream(name, reasons_against(stream)) for name, stream in streams.items()]
    return {"ready": all(stream["ready"] for stream in told), "streams": told}


def reasons_against(stream: ServedStream) -> list[str]:
    """Why a stream is not ready; nothing where it is, and where somebody has paused it."""
    state, info = stream.pipeline.state, stream.info()
    why = f": {info['error']}" if info["error"] else ""
    quiet = f"no frame for {info['staleness_seconds']:.0f} s"
    said = {
        StreamState.CONNECTING: f"connecting, {quiet}{why}",
        StreamState.STALE: f"stale, {quiet}{why}",
        StreamState.ENDED: f"ended{why}",
        StreamState.LIVE: None,
    }[state]
    sinks = (_sink(feeder) for feeder in stream.pipeline.feeders)
    return [reason for reason in (said, *sinks) if reason is not None]


def _sink(feeder: SinkFeeder) -> str | None:
    if feeder.state is SinkState.STOPPED:
        problem = f": {feeder.error.problem}" if feeder.error is not None else ""
        return f"the sink {feeder.sink.name} has stopped{problem}"
    if feeder.busy_seconds > STUCK_SECONDS:
        return f"the sink {feeder.sink.name} has been writing one result for {feeder.busy_seconds:.0f} s"
    if feeder.problem is not None:
        return f"the sink {feeder.sink.name} does not deliver: {redact(feeder.problem)}"
    return None


def _stream(name: str, reasons: list[str]) -> dict[str, Any]:
    return {"name": name, "ready": not reasons, "reasons": reasons}
