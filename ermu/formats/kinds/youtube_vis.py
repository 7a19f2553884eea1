"""YouTube-VIS: videos, and objects with a mask for each of their frames, in one JSON file."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from ermu.errors import AnnotationError
from ermu.formats.clip import Clip, clip_name
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
from ermu.formats.records import CategoryNumbers, Instance, instances_of
from ermu.formats.segmentations import is_empty, mask_of
from ermu.formats.shapes import DrawnFrame, Shape, drawn_clip
from ermu.runtime.files import shown

_WHAT = "YouTube-VIS: videos with file_names, annotations with segmentations a frame, categories"


class _Video(Sized):
    id: int | str
    file_names: tuple[str, ...]


class _Annotation(Part):
    id: int | str | None = None
    video_id: int | str
    category_id: int | None = None
    segmentations: tuple[Any, ...]
    track_id: int | None = None


class _File(CategoryList):
    videos: tuple[_Video, ...]
    annotations: tuple[_Annotation, ...]


class YoutubeVis(AnnotationFormat):
    """One file; an annotation is an object, whose id is its `track_id`, else its place in the video."""

    help = "YouTube-VIS in a JSON file, an annotation an object of a video"

    def recognises(self, path: Path) -> bool:
        """See `AnnotationFormat.recognises`."""
        keys = keys_of(path).keys()
        return {"videos", "annotations"} <= keys and "images" not in keys

    def read(self, path: Path, images: FrameImages | None) -> list[Clip]:
        """See `AnnotationFormat.read`."""
        document = read_document(path, _File, _WHAT)
        names = document.names()
        objects: dict[int | str, list[_Annotation]] = {video.id: [] for video in document.videos}
        for annotation in document.annotations:
            if annotation.video_id not in objects:
                raise AnnotationError(
                    f"{shown(path)}: annotation {annotation.id!r} is of the video {annotation.video_id!r}, "
                    "which is not listed.",
                    expected=_WHAT,
                )
            objects[annotation.video_id].append(annotation)
        clips: dict[str, Clip] = {}
        for video in document.videos:
            name = _name(video, clips)
            clips[name] = drawn_clip(name, _frames(video, objects[video.id], names))
        if not clips:
            raise AnnotationError(f"{shown(path)} lists no videos.", expected=_WHAT)
        return list(clips.values())

    def write(self, clips: Sequence[Clip], out: Path) -> None:
        """See `AnnotationFormat.write`."""
        videos: list[dict[str, Any]] = []
        annotations: list[dict[str, Any]] = []
        categories = CategoryNumbers()
        for number, clip in enumerate(clips, start=1):
            files = [f"{clip.name}/{frame.image}" for frame in clip.frames]
            height, width = _one_size(clip)
            sides = {"height": height, "width": width, "length": len(files)}
            videos.append({"id": number, "file_names": files, **sides})
            for object_id, found in _tracks(clip).items():
                annotations.append(
                    {
                        "id": len(annotations) + 1,
                        "video_id": number,
                        "track_id": object_id,
                        "category_id": categories.number(clip.category(object_id)),
                        "iscrowd": 0,
                        "segmentations": [i and i.uncompressed for i in found],
                        "bboxes": [i and i.bbox for i in found],
                        "areas": [i and i.area for i in found],
                        **sides,
                    }
                )
        content = {"videos": videos, "annotations": annotations, "categories": categories.records()}
        write_document(out, content)


def _name(video: _Video, known: dict[str, Clip]) -> str:
    """A video's name: the folder of its frames, else its id."""
    first = video.file_names[0].replace("\\", "/") if video.file_names else ""
    name = clip_name(first.rpartition("/")[0] or str(video.id))
    return name if name not in known else clip_name(f"{name}-{video.id}")


def _frames(video: _Video, objects: Sequence[_Annotation], names: CategoryNames) -> list[DrawnFrame]:
    hw, length = video.hw(f"The video {video.id!r}"), len(video.file_names)
    for annotation in objects:
        if len(annotation.segmentations) != length:
            raise AnnotationError(
                f"Annotation {annotation.id!r} has {len(annotation.segmentations)} segmentations, its video "
                f"{video.id!r} {length} frames.",
                expected="one a frame, null where the object is not seen",
            )
    return [
        DrawnFrame(
            image,
            hw,
            [
                _shape(annotation, place, number, names, hw)
                for number, annotation in enumerate(objects, start=1)
                if not is_empty(annotation.segmentations[place])
            ],
        )
        for place, image in enumerate(video.file_names)
    ]


def _shape(
    annotation: _Annotation, place: int, number: int, names: CategoryNames, hw: tuple[int, int]
) -> Shape:
    what = f"annotation {annotation.id!r}, frame {place}"
    key = number if annotation.track_id is None else annotation.track_id
    category = names.get(annotation.category_id)
    return Shape(partial(mask_of, annotation.segmentations[place], hw, what), key, category, key)


def _tracks(clip: Clip) -> dict[int, list[Instance | None]]:
    """Every object's instance on every frame, None where it is not seen."""
    found: dict[int, list[Instance | None]] = {}
    for place, frame in enumerate(clip.frames):
        for instance in instances_of(frame):
            found.setdefault(instance.id, [None] * len(clip.frames))[place] = instance
    return dict(sorted(found.items()))


def _one_size(clip: Clip) -> tuple[int, int]:
    sizes = {frame.hw for frame in clip.frames}
    if len(sizes) > 1:
        raise AnnotationError(
            f"The frames of {shown(clip.name)} have {len(sizes)} sizes.",
            expected="one a video in YouTube-VIS",
        )
    return sizes.pop()


PLUGIN = YoutubeVis
