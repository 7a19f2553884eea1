"""CVAT's own XML: `for images 1.1` is written, it and `for video 1.1` are read.

An object's id is the group of its shapes (`group_id`), which CVAT keeps; in a video's file else its track.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from xml.etree import ElementTree as Xml

import numpy as np

from ermu.errors import AnnotationError
from ermu.formats.clip import Clip, clip_name, image_size, in_clips, paths_of
from ermu.formats.cvat_shapes import NAMED_BY_NUMBER, WHAT, Drawn, drawn, shape_of
from ermu.formats.format import AnnotationFormat
from ermu.formats.images import FrameImages
from ermu.formats.shapes import DrawnFrame, drawn_clip
from ermu.runtime.files import shown
from ermu.runtime.images.labels import object_ids
from ermu.runtime.images.run_lengths import runs_of
from ermu.types import Mask

_HEAD = 4096


class Cvat(AnnotationFormat):
    """One file; masks and polygons are objects, other shapes are refused."""

    help = "CVAT for images 1.1 in an XML file (for video 1.1 is read too), objects by group or track"

    def recognises(self, path: Path) -> bool:
        """See `AnnotationFormat.recognises`."""
        if not path.is_file() or path.suffix.lower() != ".xml":
            return False
        with path.open("rb") as file:
            return b"<annotations" in file.read(_HEAD)

    def read(self, path: Path, images: FrameImages | None) -> list[Clip]:
        """See `AnnotationFormat.read`."""
        try:
            root = Xml.parse(path).getroot()
        except (Xml.ParseError, OSError, ValueError) as error:
            raise AnnotationError(f"{shown(path)} cannot be read: {error}.", expected=WHAT) from error
        if root.tag != "annotations":
            raise AnnotationError(f"{shown(path)} begins with <{root.tag}>.", expected=WHAT)
        if root.find("track") is not None:
            return [drawn_clip(_task_name(root, path), list(_video_frames(root)))]
        frames = list(_image_frames(root))
        if not frames:
            raise AnnotationError(f"{shown(path)} holds no images and no tracks.", expected=WHAT)
        clips = in_clips([frame.image for frame in frames], path.stem)
        return [drawn_clip(name, [frames[place] for place in places]) for name, places in clips.items()]

    def write(self, clips: Sequence[Clip], out: Path) -> None:
        """See `AnnotationFormat.write`."""
        root = Xml.Element("annotations")
        Xml.SubElement(root, "version").text = "1.1"
        labels = Xml.SubElement(Xml.SubElement(Xml.SubElement(root, "meta"), "task"), "labels")
        categories: dict[str, None] = {}
        for number, (clip, frame, path) in enumerate(paths_of(clips)):
            height, width = frame.hw
            sides = {"width": str(width), "height": str(height)}
            image = Xml.SubElement(root, "image", {"id": str(number), "name": path, **sides})
            label = frame.label()
            for object_id in object_ids(label):
                category = clip.category(object_id)
                categories[category] = None
                about = {
                    "label": category,
                    "source": "file",
                    "occluded": "0",
                    **_run_lengths(label == object_id),
                }
                Xml.SubElement(image, "mask", {**about, "z_order": "0", "group_id": str(object_id)})
        for category in categories:
            one = Xml.SubElement(labels, "label")
            Xml.SubElement(one, "name").text = category
            Xml.SubElement(one, "attributes")
        Xml.indent(root)
        Xml.ElementTree(root).write(out, encoding="utf-8", xml_declaration=True)


def _run_lengths(mask: Mask) -> dict[str, str]:
    """A mask's box, and its run lengths in it: rows first, beginning with zeros."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    inside = mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return {
        "rle": ", ".join(map(str, runs_of(inside.ravel()))),
        "left": str(columns[0]),
        "top": str(rows[0]),
        "width": str(inside.shape[1]),
        "height": str(inside.shape[0]),
    }


def _image_frames(root: Xml.Element) -> Iterator[DrawnFrame]:
    for image in root.iter("image"):
        name = image.get("name", "")
        hw = image_size(image.get("height"), image.get("width"), f"The image {name!r}")
        own = [found for element in image if (found := drawn(element, f"the image {name!r}")) is not None]
        shapes = [shape_of(one, hw) for one in sorted(own, key=lambda one: one.z_order)]
        number = NAMED_BY_NUMBER.fullmatch(name)
        yield DrawnFrame(name, hw, shapes, number.group(1) if number else None)


def _video_frames(root: Xml.Element) -> Iterator[DrawnFrame]:
    """Frames that show something, called by their numbers."""
    size = root.find(".//original_size")
    height, width = (None, None) if size is None else (size.findtext("height"), size.findtext("width"))
    hw = image_size(height, width, "The video")
    frames: dict[int, list[Drawn]] = {}
    for place, track in enumerate(root.iter("track")):
        own_id = track.get("id", str(place))
        for element in track:
            found = drawn(element, f"the track {own_id}", track=track)
            if found is not None and element.get("outside") != "1":
                frames.setdefault(found.frame, []).append(found)
    for number, own in sorted(frames.items()):
        shapes = [shape_of(one, hw) for one in sorted(own, key=lambda one: one.z_order)]
        yield DrawnFrame(f"{number:06d}.jpg", hw, shapes)


def _task_name(root: Xml.Element, path: Path) -> str:
    return clip_name(root.findtext(".//meta/task/name") or path.stem)


PLUGIN = Cvat
