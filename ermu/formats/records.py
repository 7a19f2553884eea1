"""What the formats of COCO's family say of an object on a frame."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from ermu.formats.clip import AnnotatedFrame
from ermu.runtime.images.labels import object_ids
from ermu.runtime.images.run_lengths import coco_text, column_runs


@dataclass(frozen=True)
class Instance:
    """An object on a frame.

    Attributes:
        id: Of the object.
        runs: COCO's uncompressed run lengths.
        size: Of the image, [height, width].
        area: In pixels.
        bbox: COCO's: [x, y, width, height] in pixels.
    """

    id: int
    runs: list[int]
    size: list[int]
    area: int
    bbox: list[int]

    @property
    def compressed(self) -> dict[str, Any]:
        """Its run lengths as text."""
        return {"size": self.size, "counts": coco_text(self.runs)}

    @property
    def uncompressed(self) -> dict[str, Any]:
        """Its run lengths as numbers."""
        return {"size": self.size, "counts": self.runs}


def instances_of(frame: AnnotatedFrame) -> Iterator[Instance]:
    """The objects on a frame, by id."""
    label = frame.label()
    for object_id in object_ids(label):
        mask = label == object_id
        box = [int(side) for side in cv2.boundingRect(mask.view(np.uint8))]
        yield Instance(object_id, column_runs(mask), [*frame.hw], int(np.count_nonzero(mask)), box)


class CategoryNumbers:
    """Categories numbered from 1 on as they come."""

    def __init__(self) -> None:
        self._known: dict[str, int] = {}

    def number(self, category: str) -> int:
        """A category's number."""
        return self._known.setdefault(category, len(self._known) + 1)

    def records(self) -> list[dict[str, Any]]:
        """As COCO lists them."""
        return [{"id": number, "name": name} for name, number in self._known.items()]
