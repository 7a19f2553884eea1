"""What is known after a frame."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

import numpy as np

from ermu.runtime.images.masks import XYXY
from ermu.runtime.images.run_lengths import coco_rle
from ermu.runtime.memory.labelling import Seen
from ermu.runtime.memory.update import MemoryUpdate
from ermu.types import LabelMap


class ObjectState(str, Enum):
    """`absent` for a moment, `lost` when that lasts, which a `Pipeline` alone can tell."""

    VISIBLE = "visible"
    ABSENT = "absent"
    LOST = "lost"


@dataclass(frozen=True)
class Sighting:
    """What is known of an object after a frame.

    Attributes:
        id: As in label maps, 1 to 254.
        name: The user's, or `object <id>`.
        state: Visible, absent or lost.
        area: Pixels on the frame.
        box: x0, y0, x1, y1 in pixels of the frame, x1 and y1 exclusive; None where it has no pixel.
        score: Mean probability, 0 to 1, that its group's softmax gives it over its pixels, taken where the
            network has logits; None where it has none there.
        added_frame: Frame number on which it was added; with those below, None from a `Segmenter` alone.
        seen_frame: Latest frame number on which it had a pixel.
        seen_time: That frame's time.
        found: Times that it was found again after having been lost.
    """

    id: int
    name: str
    state: ObjectState
    area: int
    box: XYXY | None = None
    score: float | None = None
    added_frame: int | None = None
    seen_frame: int | None = None
    seen_time: float | None = None
    found: int = 0

    def as_json(self) -> dict[str, Any]:
        """Id, name, state, area, box as [x0, y0, x1, y1] or None, and score, ready for JSON."""
        return {
            "id": self.id,
            "name": self.name,
            "state": self.state.value,
            "area": self.area,
            "box": None if self.box is None else list(self.box),
            "score": None if self.score is None else round(self.score, 4),
        }


@dataclass(frozen=True)
class FrameResult:
    """A frame's label map and what happened on the way to it.

    Attributes:
        frame: Its number, counted from 0 at `start`.
        label: uint8 H x W at source size, the caller's ids.
        memory: A group's memory bank after the frame, by group.
        ms: Milliseconds by stage.
        objects: Every object that is followed, by id.
    """

    frame: int
    label: LabelMap
    memory: list[MemoryUpdate]
    ms: dict[str, float] = field(default_factory=dict)
    objects: tuple[Sighting, ...] = ()

    @property
    def memory_frames(self) -> list[int]:
        """Frames held by the first group."""
        return self.memory[0].frames if self.memory else []

    @property
    def visible(self) -> list[Sighting]:
        """The objects that have a pixel on the frame."""
        return [sighting for sighting in self.objects if sighting.box is not None]

    def to_supervision(self) -> dict[str, Any]:
        """The visible objects as `supervision.Detections(**result.to_supervision())` takes them.

        Returns:
            `xyxy` float32 (N, 4), x1 and y1 exclusive; `mask` bool (N, H, W); `confidence` float32 (N,), or
            None where a score is missing; `class_id` and `tracker_id` int (N,), both the id, so that
            annotators give an object one colour; `data` with the names, `class_name` (N,).
        """
        seen = self.visible
        ids = np.array([sighting.id for sighting in seen], np.int64)
        scores = [sighting.score for sighting in seen]
        return {
            "xyxy": np.array([sighting.box for sighting in seen], np.float32).reshape(-1, 4),
            "mask": self.label == ids[:, None, None],
            "confidence": None if None in scores else np.array(scores, np.float32),
            "class_id": ids,
            "tracker_id": ids.copy(),
            "data": {"class_name": np.array([sighting.name for sighting in seen], np.str_)},
        }

    def to_coco(
        self, *, image_id: int | None = None, categories: Mapping[str, int] | None = None
    ) -> list[dict[str, Any]]:
        """The visible objects as COCO results, which `pycocotools.coco.COCO.loadRes` reads.

        Args:
            image_id: Of the frame; default, its number.
            categories: COCO's category ids by name. Objects of other names are left out; without it each
                object's category is its own id.

        Returns:
            A dict an object: `image_id`, `category_id`, `track_id` (its id), `bbox` [x, y, width, height] as
            COCO has it, `area` of the mask (`loadRes` puts the box's in its place), `segmentation` as
            compressed run lengths, `score` (1 where it is not known).
        """
        found = []
        for sighting in self.visible:
            category = sighting.id if categories is None else categories.get(sighting.name)
            if category is None or sighting.box is None:
                continue
            x0, y0, x1, y1 = sighting.box
            found.append(
                {
                    "image_id": self.frame if image_id is None else image_id,
                    "category_id": category,
                    "track_id": sighting.id,
                    "bbox": [x0, y0, x1 - x0, y1 - y0],
                    "area": sighting.area,
                    "segmentation": coco_rle(self.label == sighting.id),
                    "score": 1.0 if sighting.score is None else sighting.score,
                }
            )
        return found


def sighted(ids: Iterable[int], seen: Mapping[int, Seen]) -> tuple[Sighting, ...]:
    """What a frame alone says of its objects, by id.

    Args:
        ids: Of the objects followed.
        seen: By id.
    """
    return tuple(
        Sighting(
            i,
            f"object {i}",
            ObjectState.VISIBLE if seen[i].area else ObjectState.ABSENT,
            seen[i].area,
            seen[i].box,
            seen[i].score,
        )
        for i in sorted(ids)
    )
