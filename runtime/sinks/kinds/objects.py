"""Object records: where every object is on every frame, as JSON lines with COCO run lengths."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ermu.runtime.images.labels import object_ids
from ermu.runtime.images.masks import bounding_box
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


def coco_rle(mask: npt.NDArray[np.bool_]) -> dict[str, Any]:
    """COCO's compressed run lengths: columns first, beginning with zeros.

    From the third run on, the difference to the run two before is stored; numbers go in groups of five bits,
    lowest first, 32 marking that more follow, each as the character 48 above.
    """
    flat = mask.T.ravel()
    changes = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    edges = np.concatenate([[0], changes, [flat.size]])
    runs = np.diff(edges).tolist()
    if flat.size and flat[0]:
        runs.insert(0, 0)
    numbers = [run - runs[i - 2] if i > 2 else run for i, run in enumerate(runs)]
    return {"size": [int(side) for side in mask.shape], "counts": "".join(map(_characters, numbers))}


def _characters(number: int) -> str:
    text = ""
    while True:
        bits, number = number & 0x1F, number >> 5
        done = number == (-1 if bits & 0x10 else 0)
        text += chr(48 + (bits if done else bits | 0x20))
        if done:
            return text


PLUGIN = ObjectSink
