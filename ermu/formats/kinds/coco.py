"""COCO: images, and instances with a mask each, in one JSON file.

An object's id is its `track_id`, as in TAO, BDD100K and what CVAT writes; `instance_id` is CocoVID's name.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import Field

from ermu.errors import AnnotationError
from ermu.formats.clip import AnnotatedFrame, Clip, in_clips, paths_of
from ermu.formats.documents import (
    CategoryList,
    CategoryNames,
    Part,
    Sized,
    keys_of,
    read_document,
    write_document,
)
from ermu.formats.format import AnnotationFormat
from ermu.formats.images import FrameImages
from ermu.formats.records import CategoryNumbers, instances_of
from ermu.formats.segmentations import is_empty, mask_of
from ermu.formats.shapes import DrawnFrame, Shape, drawn_clip
from ermu.runtime.files import shown

_WHAT = "COCO instances: images, annotations with segmentation, categories"


class _Image(Sized):
    id: int | str
    file_name: str


class _Annotation(Part):
    id: int | str | None = None
    image_id: int | str
    category_id: int | None = None
    segmentation: Any = None
    track_id: int | str | None = None
    instance_id: int | str | None = None
    attributes: dict[str, Any] = Field(default_factory=dict)

    @property
    def key(self) -> int | str | None:
        """Of its object."""
        for key in (self.track_id, self.instance_id, self.attributes.get("track_id")):
            if isinstance(key, (int, str)):
                return key
        return None


class _File(CategoryList):
    images: tuple[_Image, ...]
    annotations: tuple[_Annotation, ...]


class Coco(AnnotationFormat):
    """One file; frames in the order of its images, clips by their folders."""

    help = "COCO instances in a JSON file, objects by track_id"

    def recognises(self, path: Path) -> bool:
        """See `AnnotationFormat.recognises`."""
        return {"images", "annotations"} <= keys_of(path).keys()

    def read(self, path: Path, images: FrameImages | None) -> list[Clip]:
        """See `AnnotationFormat.read`."""
        document = read_document(path, _File, _WHAT)
        names = document.names()
        shapes: dict[int | str, list[_Annotation]] = {image.id: [] for image in document.images}
        for annotation in document.annotations:
            if annotation.image_id not in shapes:
                raise AnnotationError(
                    f"{shown(path)}: annotation {annotation.id!r} is of the image {annotation.image_id!r}, "
                    "which is not listed.",
                    expected=_WHAT,
                )
            if is_empty(annotation.segmentation):
                raise AnnotationError(
                    f"{shown(path)}: annotation {annotation.id!r} has no mask, only a box.",
                    expected="instance segmentation",
                    fix="draw masks or polygons, or prompt with the box: ermu run --box x0,y0,x1,y1",
                )
            shapes[annotation.image_id].append(annotation)
        frames = [
            DrawnFrame(image.file_name, hw, [_shape(own, names, hw) for own in shapes[image.id]])
            for image in document.images
            for hw in (image.hw(f"The image {image.file_name}"),)
        ]
        clips = in_clips([frame.image for frame in frames], path.stem)
        return [drawn_clip(name, [frames[place] for place in places]) for name, places in clips.items()]

    def write(self, clips: Sequence[Clip], out: Path) -> None:
        """See `AnnotationFormat.write`."""
        images: list[dict[str, Any]] = []
        annotations: list[dict[str, Any]] = []
        categories = CategoryNumbers()
        for number, (clip, frame, path) in enumerate(paths_of(clips), start=1):
            height, width = frame.hw
            images.append({"id": number, "file_name": path, "height": height, "width": width})
            for annotation in _annotations(clip, frame, categories):
                annotations.append({"id": len(annotations) + 1, "image_id": number, **annotation})
        write_document(
            out, {"images": images, "annotations": annotations, "categories": categories.records()}
        )


def _shape(annotation: _Annotation, names: CategoryNames, hw: tuple[int, int]) -> Shape:
    what = f"annotation {annotation.id!r}"
    key = annotation.key
    number = key if isinstance(key, int) else None
    category = names.get(annotation.category_id)
    return Shape(partial(mask_of, annotation.segmentation, hw, what), key, category, number)


def _annotations(clip: Clip, frame: AnnotatedFrame, categories: CategoryNumbers) -> Iterator[dict[str, Any]]:
    for instance in instances_of(frame):
        yield {
            "category_id": categories.number(clip.category(instance.id)),
            "track_id": instance.id,
            "attributes": {"track_id": instance.id},  # what CVAT and datumaro carry along
            "segmentation": instance.compressed,
            "area": instance.area,
            "bbox": instance.bbox,
            "iscrowd": 0,
        }


PLUGIN = Coco
