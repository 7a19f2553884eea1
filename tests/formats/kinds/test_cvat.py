"""CVAT's XML as CVAT writes it: images and videos, masks and polygons, groups and tracks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ermu.errors import AnnotationError
from ermu.formats.conversion import read_clips, recognised

# Masks are run lengths in their box, rows first, beginning with zeros.
IMAGES = """<?xml version="1.0" encoding="utf-8"?>
<annotations>
  <version>1.1</version>
  <meta><task><name>yard</name></task></meta>
  <image id="0" name="cam/frame_a.jpg" width="6" height="4">
    <tag label="sunny" source="manual"></tag>
    <mask label="dog" source="manual" occluded="0" rle="0, 1, 2, 3" left="2" top="1" width="3" height="2"
      z_order="1" group_id="4"></mask>
    <polygon label="cat" source="manual" occluded="0" points="0,0;4,0;4,4;0,4" z_order="0"></polygon>
  </image>
  <image id="1" name="cam/frame_b.jpg" width="6" height="4"></image>
</annotations>"""
VIDEO = """<?xml version="1.0" encoding="utf-8"?>
<annotations>
  <version>1.1</version>
  <meta><task><name>drive</name>
    <original_size><width>6</width><height>4</height></original_size></task></meta>
  <track id="0" label="car" source="manual">
    <polygon frame="2" outside="0" occluded="0" keyframe="1" points="0,0;2,0;2,4;0,4" z_order="0">
      <attribute name="colour">red</attribute></polygon>
    <polygon frame="3" outside="0" occluded="0" keyframe="0" points="1,0;3,0;3,4;1,4" z_order="0"></polygon>
    <polygon frame="4" outside="1" occluded="0" keyframe="1" points="1,0;3,0;3,4;1,4" z_order="0"></polygon>
  </track>
  <track id="3" label="car" source="manual" group_id="0">
    <mask frame="3" outside="0" occluded="0" keyframe="1" rle="0, 4" left="4" top="0" width="2" height="2"
      z_order="0"></mask>
  </track>
</annotations>"""


@pytest.fixture(autouse=True)
def polygons() -> None:
    pytest.importorskip("pycocotools", reason="rasterises polygons")


def test_images(tmp_path: Path) -> None:
    path = tmp_path / "a.xml"
    path.write_text(IMAGES)
    assert recognised(path) == "cvat"
    (clip,) = read_clips(path, "cvat")
    assert clip.name == "cam" and clip.categories == {1: "cat", 4: "dog"}
    assert [(frame.name, frame.image) for frame in clip.frames] == [
        ("frame_a", "frame_a.jpg"),
        ("frame_b", "frame_b.jpg"),
    ]
    # The polygon lies below, whichever comes first; runs: one of the dog's, two gaps, three of its.
    expected = [[1, 1, 1, 1, 0, 0], [1, 1, 4, 1, 0, 0], [1, 1, 4, 4, 4, 0], [1, 1, 1, 1, 0, 0]]
    assert clip.frames[0].label().tolist() == expected
    assert not clip.frames[1].label().any()


def test_a_videos_tracks(tmp_path: Path) -> None:
    path = tmp_path / "a.xml"
    path.write_text(VIDEO)
    (clip,) = read_clips(path, "cvat")
    assert clip.name == "drive" and [frame.name for frame in clip.frames] == ["000002", "000003"]
    assert clip.frames[0].label().tolist() == [[1, 1, 0, 0, 0, 0]] * 4
    assert clip.frames[1].label().tolist() == [[0, 1, 1, 0, 4, 4]] * 2 + [[0, 1, 1, 0, 0, 0]] * 2


def test_frames_of_a_videos_task_are_called_by_number(tmp_path: Path) -> None:
    path = tmp_path / "a.xml"
    path.write_text(
        IMAGES.replace("cam/frame_a.jpg", "frame_000012").replace("cam/frame_b.jpg", "frame_000013")
    )
    assert [frame.name for frame in read_clips(path, "cvat")[0].frames] == ["000012", "000013"]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("<mask", "<box", "The image 'cam/frame_a.jpg' has a shape <box>, which is no mask"),
        ('left="2"', 'left="5"', "its box 5, 1, 3 x 2 leaves the image, 6x4"),
        ('left="2"', "", "it has no left"),
        ('left="2"', 'left="two"', "left is 'two'"),
        ("0, 1, 2, 3", "0, 1, 2, 9", "runs of 12 pixels in a mask of 6"),
        ("0, 1, 2, 3", "0, 1, x", "invalid literal"),
        ("0,0;4,0;4,4;0,4", "0,0;4,0", "a polygon has 4 numbers"),
        ("0,0;4,0;4,4;0,4", "", "no list of numbers"),
        ('width="6"', 'width="0"', "is said to be '0' wide"),
        ("</annotations>", "", "cannot be read"),
        ("annotations>", "other>", "begins with <other>"),
    ],
)
def test_damaged(tmp_path: Path, old: str, new: str, said: str) -> None:
    path = tmp_path / "a.xml"
    text = IMAGES.replace(old, new)
    path.write_text(text.replace("</mask>", "</box>") if new == "<box" else text)
    with pytest.raises(AnnotationError) as caught:
        [frame.label() for clip in read_clips(path, "cvat") for frame in clip.frames]
    assert said in caught.value.problem


def test_entities_do_not_explode(tmp_path: Path) -> None:
    """A file of a kilobyte that would unfold to gigabytes is refused by the parser."""
    entities = "".join(f'<!ENTITY e{i} "{f"&e{i - 1};" * 10}">' for i in range(1, 12))
    path = tmp_path / "a.xml"
    path.write_text(f'<!DOCTYPE a [<!ENTITY e0 "{"x" * 10}">{entities}]><annotations>&e11;</annotations>')
    with pytest.raises(AnnotationError, match="cannot be read"):
        read_clips(path, "cvat")


def test_written_masks_by_hand(tmp_path: Path) -> None:
    from ermu.formats.conversion import write_clips
    from ermu.runtime.images.labels import write_label_map

    label = np.zeros((4, 6), np.uint8)
    label[1, 2], label[2, 2:5] = 9, 9
    write_label_map(tmp_path / "0.png", label)
    write_clips(read_clips(tmp_path, "labels"), "cvat", tmp_path / "a.xml")
    assert 'rle="0, 1, 2, 3" left="2" top="1" width="3" height="2"' in (tmp_path / "a.xml").read_text()
    assert 'group_id="9"' in (tmp_path / "a.xml").read_text()
