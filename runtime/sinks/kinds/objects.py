"""Object records: where every object is on every frame, as JSON lines with COCO run lengths."""

from __future__ import annotations

from typing import Any

from ermu.runtime.images.labels import object_ids
from ermu.runtime.images.masks import mask_record
from ermu.runtime.images.run_lengths import coco_rle
from ermu.runtime.results import FrameResult
from ermu.runtime.sinks.json_lines import JsonLinesSink
from ermu.runtime.sources.base import Frame


class ObjectSink(JsonLinesSink):
    """One JSON object a line and frame: id, name, state, score, box, area and mask of every object on it."""

    name = "objects"
    help = "a JSON object a frame: ids, states, scores, boxes, areas, COCO run lengths"

    keys = ("frame", "name", "time", "objects")

    def records(self, frame: Frame, result: FrameResult) -> list[dict[str, Any]]:
        """See `JsonLinesSink.records`."""
        known = {sighting.id: sighting.as_json() for sighting in result.objects}
        objects = [
            {**known[i], "segmentation": coco_rle(result.label == i)}
            if i in known
            else {"id": i, **mask_record(result.label == i)}
            for i in sorted({*known, *object_ids(result.label)})
        ]
        return [{"frame": result.frame, "name": frame.name, "time": frame.time, "objects": objects}]


PLUGIN = ObjectSink
