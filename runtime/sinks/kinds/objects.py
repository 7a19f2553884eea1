"""Object records: where every object is on every frame, as JSON lines with COCO run lengths."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ermu.runtime.images.labels import object_ids
from ermu.runtime.images.masks import bounding_box
from ermu.runtime.images.run_lengths import coco_rle
from ermu.runtime.results import FrameResult
from ermu.runtime.sinks.json_lines import JsonLinesSink
from ermu.runtime.sources.base import Frame


class ObjectSink(JsonLinesSink):
    """One JSON object a line and frame: id, name, state, box, area and mask of every object on it."""

    name = "objects"
    help = "a JSON object a frame: ids, states, boxes, areas, COCO run lengths"

    keys = ("frame", "name", "time", "objects")

    def records(self, frame: Frame, result: FrameResult) -> list[dict[str, Any]]:
        """See `JsonLinesSink.records`."""
        known = {sighting.id: sighting for sighting in result.objects}
        objects = []
        for object_id in sorted({*known, *object_ids(result.label)}):
            known_of: dict[str, Any] = {"id": object_id}
            if object_id in known:
                known_of.update(name=known[object_id].name, state=known[object_id].state.value)
            objects.append({**known_of, **mask_record(result.label == object_id)})
        return [{"frame": result.frame, "name": frame.name, "time": frame.time, "objects": objects}]


def mask_record(mask: npt.NDArray[np.bool_]) -> dict[str, Any]:
    """Area in pixels, box and run lengths of a mask.

    Args:
        mask: bool H x W.

    Returns:
        `area`; `box` as [x, y, width, height] or None where the mask is empty; `segmentation` as COCO's
        compressed run lengths.
    """
    area = int(np.count_nonzero(mask))
    return {"area": area, "box": bounding_box(mask) if area else None, "segmentation": coco_rle(mask)}


PLUGIN = ObjectSink
