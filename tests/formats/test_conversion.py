"""Between formats: nothing is lost that has a place, and what has none is said or refused."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from ermu.errors import AnnotationError, SinkError
from ermu.formats.conversion import numbered, read_clips, recognised, with_categories, write_clips
from ermu.registries import FORMATS
from ermu.runtime.images.labels import read_label_map, write_label_map
from tests.formats.conftest import CATEGORIES, HW, Drawn, label_map

ONE_IMAGE = {"images": [{"id": 1, "file_name": "a/000000.jpg", "width": 4, "height": 3}], "categories": []}


def coco(path: Path, annotations: list[dict[str, Any]], **changed: Any) -> Path:
    """A COCO file of one image, 4 pixels wide and 3 high."""
    whole = [{"id": i, "image_id": 1, **annotation} for i, annotation in enumerate(annotations)]
    path.write_text(json.dumps({**ONE_IMAGE, "annotations": whole, **changed}))
    return path


def runs(mask: list[list[int]]) -> dict[str, Any]:
    """A mask's uncompressed run lengths, counted one by one."""
    flat = [row[x] for x in range(len(mask[0])) for row in mask]
    counts, current = [0], 0
    for value in flat:
        if value != current:
            counts.append(0)
            current = value
        counts[-1] += 1
    return {"size": [len(mask), len(mask[0])], "counts": counts}


@pytest.mark.parametrize("name", FORMATS.names())
def test_there_and_back(drawn: Drawn, tmp_path: Path, name: str) -> None:
    """Two clips, with ids; the format is recognised by what it holds."""
    street = tmp_path / "two" / "street"
    street.mkdir(parents=True)
    (tmp_path / "two" / "yard").symlink_to(drawn.labels)
    for i in (0, 1):
        write_label_map(street / f"{i:06d}.png", np.flipud(label_map(i)))
    clips = read_clips(tmp_path / "two", "labels")
    assert [clip.name for clip in clips] == ["street", "yard"]
    out = tmp_path / "out.json" if not FORMATS.get(name).fills_folder else tmp_path / "out"
    out = out.with_suffix(".xml") if name == "cvat" else out
    tally = write_clips(clips, name, out)
    assert (tally.frames, tally.count) == (6, 5)
    assert recognised(out) == name
    if name == "yolo-seg":
        for clip in clips:
            (tmp_path / "out" / "images" / clip.name).mkdir(parents=True)
            for frame in clip.frames:
                cv2.imwrite(str(tmp_path / "out" / "images" / clip.name / f"{frame.name}.png"), np.zeros(HW))
    again = read_clips(out, name)
    assert [clip.name for clip in again] == ["street", "yard"]
    for before, after in zip(clips, again, strict=True):
        assert [frame.name for frame in after.frames] == [frame.name for frame in before.frames]
        for one, other in zip(before.frames, after.frames, strict=True):
            assert other.hw == HW and np.array_equal(one.label(), other.label())


@pytest.mark.parametrize("name", [name for name in FORMATS.names() if name not in ("labels", "yolo-seg")])
def test_categories_come_along(drawn: Drawn, tmp_path: Path, name: str) -> None:
    clips = with_categories(read_clips(drawn.labels, "labels"), CATEGORIES)
    write_clips(clips, name, tmp_path / "out")
    (clip,) = read_clips(tmp_path / "out", name)
    assert clip.categories == CATEGORIES


def test_ignored_pixels(drawn: Drawn, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """255 is kept where the format has a place for it, else that is said, once."""
    label = label_map(0)
    label[:3] = 255
    write_label_map(drawn.labels / "000000.png", label)
    clips = read_clips(drawn.labels, "labels")
    for name in ("mots", "mots-png"):
        write_clips(clips, name, tmp_path / name)
        assert np.array_equal(read_clips(tmp_path / name, name)[0].frames[0].label(), label)
    assert not caplog.records
    write_clips(clips, "coco", tmp_path / "a.json")
    assert "pixels to ignore" in caplog.text and len(caplog.records) == 1
    found = read_clips(tmp_path / "a.json", "coco")[0].frames[0].label()
    assert np.array_equal(found, np.where(label == 255, 0, label))


def test_the_later_one_has_the_pixels(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    left, lower = [[1, 1, 0, 0]] * 3, [[0] * 4, [1] * 4, [1] * 4]
    path = coco(
        tmp_path / "a.json",
        [{"track_id": 5, "segmentation": runs(left)}, {"track_id": 2, "segmentation": runs(lower)}],
    )
    (clip,) = read_clips(path, "coco")
    assert clip.frames[0].label().tolist() == [[5, 5, 0, 0], [2, 2, 2, 2], [2, 2, 2, 2]]
    assert "objects overlap, by 4 pixels" in caplog.text


def test_polygons_are_read_as_coco_does(tmp_path: Path) -> None:
    pycocotools = pytest.importorskip("pycocotools.mask")
    polygons = [[3.2, 4.1, 30.5, 8.0, 22.7, 30.9], [31.0, 20.0, 50.0, 20.0, 50.0, 36.0, 31.0, 36.0]]
    image = [{"id": 1, "file_name": "000000.jpg", "width": HW[1], "height": HW[0]}]
    path = coco(tmp_path / "a.json", [{"segmentation": polygons}], images=image)
    expected = pycocotools.decode(pycocotools.merge(pycocotools.frPyObjects(polygons, *HW)))
    (clip,) = read_clips(path, "coco")
    assert clip.name == "a" and np.array_equal(clip.frames[0].label(), expected)


def test_objects_without_ids(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """One of a category is the same throughout; two of one on a frame are told apart there alone."""
    one, other = runs([[1, 0, 0, 0]] * 3), runs([[0, 0, 0, 1]] * 3)
    images = [{"id": i, "file_name": f"{i}.jpg", "width": 4, "height": 3} for i in (1, 2)]
    names = [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}]
    cat, dog = {"category_id": 1, "segmentation": one}, {"category_id": 2, "segmentation": other}
    kept = [cat, dog, {**dog, "image_id": 2}]
    (clip,) = read_clips(coco(tmp_path / "a.json", kept, images=images, categories=names), "coco")
    assert [frame.label()[0].tolist() for frame in clip.frames] == [[1, 0, 0, 2], [0, 0, 0, 2]]
    assert clip.categories == {1: "cat", 2: "dog"} and not caplog.records
    twice = [cat, {**cat, "segmentation": other}, {**dog, "image_id": 2}]
    (clip,) = read_clips(coco(tmp_path / "b.json", twice, images=images, categories=names), "coco")
    assert [frame.label()[0].tolist() for frame in clip.frames] == [[1, 0, 0, 2], [0, 0, 0, 1]]
    assert "one id in two frames need not be one object" in caplog.text


def test_what_is_added_without_an_id_gets_a_free_one(tmp_path: Path) -> None:
    one, other = runs([[1, 0, 0, 0]] * 3), runs([[0, 0, 0, 1]] * 3)
    path = coco(tmp_path / "a.json", [{"segmentation": other}, {"track_id": 1, "segmentation": one}])
    assert read_clips(path, "coco")[0].frames[0].label()[0].tolist() == [1, 0, 0, 2]


def test_ids_too_large_are_numbered_anew(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    one, other = runs([[1, 0, 0, 0]] * 3), runs([[0, 0, 0, 1]] * 3)
    annotations = [{"track_id": 90071, "segmentation": one}, {"track_id": 12, "segmentation": other}]
    (clip,) = read_clips(coco(tmp_path / "a.json", annotations), "coco")
    assert clip.frames[0].label()[0].tolist() == [1, 0, 0, 2] and "numbered anew" in caplog.text
    many = [{"track_id": 1000 + i, "segmentation": one} for i in range(255)]
    with pytest.raises(AnnotationError, match="a has 255 objects"):
        read_clips(coco(tmp_path / "b.json", many), "coco")


def test_compressed_run_lengths_are_cocos(tmp_path: Path) -> None:
    pycocotools = pytest.importorskip("pycocotools.mask")
    generator = np.random.default_rng(2)
    mask = generator.uniform(size=(200, 300)) < 0.4
    mask[50:150, 20:200] = True  # long runs: several characters a number
    rle = pycocotools.encode(np.asfortranarray(mask.astype(np.uint8)))
    segmentation = {"size": rle["size"], "counts": rle["counts"].decode()}
    image = [{"id": 1, "file_name": "0.jpg", "width": 300, "height": 200}]
    (clip,) = read_clips(coco(tmp_path / "a.json", [{"segmentation": segmentation}], images=image), "coco")
    assert np.array_equal(clip.frames[0].label() == 1, mask)


FULL = {"segmentation": runs([[1] * 4] * 3)}
IMAGE = ONE_IMAGE["images"][0]


@pytest.mark.parametrize(
    ("annotations", "changed", "said"),
    [
        ([{"bbox": [0, 0, 2, 2]}], {}, "annotation 0 has no mask, only a box"),
        ([{**FULL, "image_id": 9}], {}, "of the image 9, which is not listed"),
        ([{"segmentation": {"size": [3, 4], "counts": [5]}}], {}, "runs of 5 pixels in a mask of 12"),
        ([{"segmentation": {"size": [3, 4], "counts": [-1, 13]}}], {}, "a run of less than no pixels"),
        ([{"segmentation": {"size": [3, 4], "counts": "~"}}], {}, "the character '~'"),
        ([{"segmentation": {"size": [3, 4], "counts": "P"}}], {}, "the middle of a number"),
        ([{"segmentation": {"size": [4, 3], "counts": [12]}}], {}, "its size is [4, 3], the image's [3, 4]"),
        ([{"segmentation": {"size": [3, 4]}}], {}, "neither polygons nor counts"),
        ([{"segmentation": [[0, 0, 2, 2]]}], {}, "a polygon has 4 numbers"),
        ([{"segmentation": [[0, 0, 2, 2, 1e9, 0]]}], {}, "a polygon leaves the image, 4x3, by far"),
        ([{"segmentation": [[0, 0, 2, 2, float("nan"), 0]]}], {}, "by far"),
        ([{"segmentation": [["a"] * 6]}], {}, "no list of numbers"),
        ([FULL], {"images": [{**IMAGE, "width": 10**9}]}, "is said to be 1000000000 wide and 3 high"),
        ([FULL], {"images": [{**IMAGE, "height": -3}]}, "-3 high"),
        (
            [FULL],
            {"images": [IMAGE, {**IMAGE, "id": 2, "file_name": "a/000000.png"}]},
            "have one name: 000000",
        ),
        ([FULL], {"images": [{**IMAGE, "file_name": ".."}]}, "An image is called '..'"),
        ([FULL], {"images": []}, "is not listed"),
        ([], {"images": []}, "lists no frames"),
        ([FULL], {"images": {}}, "images: "),
    ],
)
def test_damaged_coco(tmp_path: Path, annotations: Any, changed: dict[str, Any], said: str) -> None:
    path = coco(tmp_path / "a.json", annotations, **changed)
    with pytest.raises(AnnotationError) as caught:
        for clip in read_clips(path, "coco"):
            for frame in clip.frames:
                frame.label()
    assert said in caught.value.problem


def test_names_never_lead_out_of_the_folder(tmp_path: Path) -> None:
    files = ["../../x/0.jpg", "/etc/1.jpg", "C:\\data\\..\\2.jpg", "sub/../../3.jpg"]
    images = [{**IMAGE, "id": i, "file_name": file} for i, file in enumerate(files, start=1)]
    clips = read_clips(coco(tmp_path / "a.json", [FULL], images=images), "coco")
    write_clips(clips, "labels", tmp_path / "deep" / "out")
    written = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.png")}
    assert written == {f"deep/out/{name}" for name in ("x/0.png", "etc/1.png", "clip/2.png", "clip-2/3.png")}


def test_frames_called_by_their_numbers(tmp_path: Path) -> None:
    images = [{**IMAGE, "file_name": "frame_000012.PNG"}]
    clips = read_clips(coco(tmp_path / "a.json", [FULL], images=images), "coco")
    assert [frame.name for frame in numbered(clips)[0].frames] == ["000012"]
    with pytest.raises(AnnotationError, match="The frame last has no number"):
        numbered(
            read_clips(coco(tmp_path / "b.json", [FULL], images=[{**IMAGE, "file_name": "last.png"}]), "coco")
        )


def test_pictures_have_to_be_those_annotated(drawn: Drawn, tmp_path: Path) -> None:
    (clip,) = read_clips(drawn.labels, "labels", drawn.images.parent)
    assert [frame.image for frame in clip.frames] == [f"{name}.jpg" for name in drawn.maps]
    cv2.imwrite(str(drawn.images / "000002.jpg"), np.zeros((8, 9, 3), np.uint8))
    with pytest.raises(AnnotationError, match="is 9x8, the frame's annotation 53x37"):
        read_clips(drawn.labels, "labels", drawn.images)
    (drawn.images / "000002.jpg").unlink()
    with pytest.raises(AnnotationError, match="The frame 000002 of yard has no picture"):
        read_clips(drawn.labels, "labels", drawn.images)
    with pytest.raises(AnnotationError, match="holds no images"):
        read_clips(drawn.labels, "labels", tmp_path / "nowhere")


def test_a_failure_leaves_everything_as_it_was(drawn: Drawn, tmp_path: Path) -> None:
    clips = read_clips(drawn.labels, "labels")
    write_clips(clips, "mots", tmp_path / "out")
    write_clips(clips, "coco", tmp_path / "a.json")
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    (drawn.labels / "000003.png").write_bytes(b"half a picture")
    before[drawn.labels / "000003.png"] = b"half a picture"
    for name, out in (
        ("mots", tmp_path / "out"),
        ("coco", tmp_path / "a.json"),
        ("labels", tmp_path / "new"),
    ):
        with pytest.raises(Exception, match=r"000003\.png"):
            write_clips(clips, name, out, overwrite=True)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_a_folder_is_replaced_only_where_all_of_it_is_a_conversions(drawn: Drawn, tmp_path: Path) -> None:
    clips, out = read_clips(drawn.labels, "labels"), tmp_path / "out"
    write_clips(clips, "labels", out)
    (out / "mine.png").write_bytes(b"mine")
    with pytest.raises(SinkError, match="is not empty"):
        write_clips(clips, "labels", out)
    with pytest.raises(SinkError, match=r"mine\.png was not written by `ermu convert`"):
        write_clips(clips, "labels", out, overwrite=True)
    assert (out / "mine.png").read_bytes() == b"mine"
    (out / "mine.png").unlink()
    write_clips(clips, "mots", out, overwrite=True)
    assert sorted(path.name for path in out.iterdir()) == [".ermu-convert", "yard.txt"]
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_what_is_of_no_format(drawn: Drawn, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("hello")
    (tmp_path / "half.json").write_text('{"images": [')
    for path in (tmp_path / "notes.txt", tmp_path / "half.json", drawn.images):
        with pytest.raises(AnnotationError, match="of no format that is known"):
            recognised(path)
    with pytest.raises(AnnotationError, match="There is nothing at"):
        recognised(tmp_path / "gone")
    with pytest.raises(AnnotationError, match="is no JSON"):
        read_clips(tmp_path / "half.json", "coco")
    assert recognised(drawn.labels.parents[1] / "yard") == "labels"


def test_masks_drawn_in_white_are_one_object(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "0.png"), np.pad(np.full((2, 2), 255, np.uint8), 1))
    (clip,) = read_clips(tmp_path, "labels")
    assert clip.frames[0].label().tolist() == [[0] * 4, [0, 1, 1, 0], [0, 1, 1, 0], [0] * 4]
    assert np.array_equal(read_label_map(tmp_path / "0.png")[1], [0, 255, 255, 0])


def test_the_pages_own_format_works(drawn: Drawn, tmp_path: Path) -> None:
    """As another package's: what ermu.plugins has is enough."""
    page = (Path(__file__).parents[2] / "docs" / "formats.md").read_text("utf-8")
    names: dict[str, Any] = {}
    exec(page.partition("```python\n")[2].partition("```")[0], names)
    names["Areas"]().write(read_clips(drawn.labels, "labels"), tmp_path / "areas.txt")
    expected = [f"{name} {np.count_nonzero(label)}" for name, label in drawn.maps.items()]
    assert (tmp_path / "areas.txt").read_text().splitlines() == expected


def test_formats_log_nothing_else(drawn: Drawn, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    write_clips(read_clips(drawn.labels, "labels"), "coco", tmp_path / "a.json")
    assert not caplog.records
