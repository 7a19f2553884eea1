"""A stream as the page and the API show it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ermu.redaction import redact
from ermu.runtime.images.view_colours import view_colour
from ermu.runtime.results import Sighting
from ermu.runtime.serve.broadcast import Broadcast
from ermu.runtime.streams.pipeline import Pipeline


@dataclass(frozen=True)
class ServedStream:
    """A pipeline with the sink that shows it."""

    pipeline: Pipeline
    broadcast: Broadcast

    def info(self) -> dict[str, Any]:
        """State and figures, ready for JSON."""
        pipeline, latest = self.pipeline, self.pipeline.latest
        reader, segmenter = pipeline.reader, pipeline.segmenter
        shape = latest.frame.shape if latest else (0, 0)
        return {
            "name": pipeline.name,
            "source": redact(pipeline.source.description),
            "state": pipeline.state.value,
            "paused": pipeline.paused,
            "frame": latest.result.frame if latest else -1,
            "width": shape[1],
            "height": shape[0],
            "backend": segmenter.backend.name,
            "precision": segmenter.bundle.manifest.precision,
            "policy": segmenter.policy,
            "capacity": segmenter.capacity,
            "staleness_seconds": round(reader.staleness, 3),
            "fps_in": round(reader.rate(), 2),
            "fps_out": round(pipeline.rate(), 2),
            "frames": pipeline.frames,
            "dropped": reader.dropped,
            "reconnects": reader.reconnects,
            "restarts": pipeline.restarts,
            "device_losses": list(pipeline.tracker.device_losses),
            "viewers": self.broadcast.viewers,
            "error": pipeline.trouble,
            "milliseconds": pipeline.timings.summary(),
            "sinks": [
                {
                    "name": feeder.sink.name,
                    "state": feeder.state.value,
                    "written": feeder.written,
                    "dropped": feeder.dropped,
                    "error": feeder.problem and redact(feeder.problem),
                    "milliseconds": feeder.ms.summary(),
                }
                for feeder in pipeline.feeders
            ],
        }

    def objects(self) -> list[dict[str, Any]]:
        """Every object, ready for JSON."""
        return [_object(sighting) for sighting in self.pipeline.objects.sightings]

    def memory(self) -> dict[str, Any]:
        """The memory's recent history, ready for JSON."""
        segmenter = self.pipeline.segmenter
        return {
            "frame": segmenter.frame,
            "policy": segmenter.policy,
            "capacity": segmenter.capacity,
            "groups": self.pipeline.memory_history.as_json(),
        }


def served(pipelines: Sequence[Pipeline], broadcasts: Sequence[Broadcast]) -> dict[str, ServedStream]:
    """Streams by name."""
    pairs = zip(pipelines, broadcasts, strict=True)
    return {pipeline.name: ServedStream(pipeline, broadcast) for pipeline, broadcast in pairs}


def _object(sighting: Sighting) -> dict[str, Any]:
    return {
        **sighting.as_json(),
        "colour": view_colour(sighting.id),
        "added_frame": sighting.added_frame,
        "seen_frame": sighting.seen_frame,
        "found": sighting.found,
    }
