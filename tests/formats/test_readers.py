"""What is written is what other tools' own readers find in it, and what they write is read."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ermu.formats.conversion import read_clips, with_categories, write_clips
from tests.formats.conftest import CATEGORIES, HW, Drawn


def written(drawn: Drawn, name: str, out: Path, *, categories: bool = True) -> Path:
    """The clip in a format, objects 1 and 3 a car each, 7 a pedestrian."""
    clips = read_clips(drawn.labels, "labels", drawn.images)
    write_clips(with_categories(clips, CATEGORIES) if categories else clips, name, out)
    return out


def same(found: dict[str, dict[int, Any]], drawn: Drawn) -> None:
    """Masks by frame and id are those drawn."""
    for name, label in drawn.maps.items():
        ids = [int(i) for i in np.unique(label) if i]
        assert sorted(found.get(name, {})) == ids, name
        for i in ids:
            assert np.array_equal(np.asarray(found[name][i], bool), label == i), (name, i)


def test_coco_by_pycocotools(drawn: Drawn, tmp_path: Path) -> None:
    coco = pytest.importorskip("pycocotools.coco").COCO(str(written(drawn, "coco", tmp_path / "a.json")))
    found: dict[str, dict[int, Any]] = {}
    for annotation in coco.loadAnns(coco.getAnnIds()):
        image = coco.loadImgs(annotation["image_id"])[0]
        mask = coco.annToMask(annotation)
        found.setdefault(Path(image["file_name"]).stem, {})[annotation["track_id"]] = mask
        rows, columns = np.nonzero(mask.any(1))[0], np.nonzero(mask.any(0))[0]
        sides = [columns[0], rows[0], np.ptp(columns) + 1, np.ptp(rows) + 1]
        assert annotation["bbox"] == sides and annotation["area"] == mask.sum()
        assert coco.loadCats(annotation["category_id"])[0]["name"] == CATEGORIES[annotation["track_id"]]
        assert (image["height"], image["width"]) == HW
    same(found, drawn)
    results = [{**annotation, "score": 1.0} for annotation in coco.dataset["annotations"]]
    assert len(coco.loadRes(results).getAnnIds()) == len(results)  # as an evaluation begins


def test_coco_by_supervision(drawn: Drawn, tmp_path: Path) -> None:
    supervision = pytest.importorskip("supervision")
    path = written(drawn, "coco", tmp_path / "a.json")
    dataset = supervision.DetectionDataset.from_coco(str(drawn.images), str(path), force_masks=True)
    for image, _, detections in dataset:
        label = drawn.maps[Path(image).stem]
        ids = [int(i) for i in np.unique(label) if i]
        assert [dataset.classes[c] for c in detections.class_id] == [CATEGORIES[i] for i in ids]
        assert all(np.array_equal(mask, label == i) for mask, i in zip(detections.mask, ids, strict=True))


def test_coco_of_supervision(drawn: Drawn, tmp_path: Path) -> None:
    """It writes polygons where it can: we see of them what pycocotools sees."""
    supervision = pytest.importorskip("supervision")
    path = written(drawn, "coco", tmp_path / "a.json")
    dataset = supervision.DetectionDataset.from_coco(str(drawn.images), str(path), force_masks=True)
    dataset.as_coco(annotations_path=str(tmp_path / "b.json"))
    coco = pytest.importorskip("pycocotools.coco").COCO(str(tmp_path / "b.json"))
    assert any(isinstance(a["segmentation"], list) for a in coco.dataset["annotations"])
    (clip,) = read_clips(tmp_path / "b.json", "coco")
    by_name = {frame.name: frame.label() > 0 for frame in clip.frames}
    assert by_name.keys() == drawn.maps.keys()
    for image in coco.dataset["images"]:
        masks = map(coco.annToMask, coco.imgToAnns[image["id"]])
        assert np.array_equal(by_name[Path(image["file_name"]).stem], np.logical_or.reduce(list(masks)))


def test_coco_by_datumaro_and_back(drawn: Drawn, tmp_path: Path) -> None:
    datumaro = pytest.importorskip("datumaro")
    path = tmp_path / "set" / "annotations" / "instances_default.json"
    path.parent.mkdir(parents=True)
    shutil.copytree(drawn.images, tmp_path / "set" / "images" / "default")
    dataset = datumaro.Dataset.import_from(str(written(drawn, "coco", path).parents[1]), "coco_instances")
    masks = {item.id: [a for a in item.annotations if hasattr(a, "image")] for item in dataset}
    same({name: {a.attributes["track_id"]: a.image for a in own} for name, own in masks.items()}, drawn)
    dataset.export(str(tmp_path / "again"), "coco_instances", save_media=False, segmentation_mode="mask")
    (again,) = (tmp_path / "again" / "annotations").glob("*.json")
    assert '"iscrowd":1' in again.read_text().replace(" ", "")  # so it says that a mask is no polygon
    (clip,) = read_clips(again, "coco")
    assert [frame.name for frame in clip.frames] == sorted(drawn.maps)
    same({f.name: {i: f.label() == i for i in np.unique(f.label()) if i} for f in clip.frames}, drawn)


def test_youtube_vis_by_trackeval(drawn: Drawn, tmp_path: Path) -> None:
    """As ground truth and, scored against itself, as a tracker's result: all measures are 1."""
    pytest.importorskip("trackeval")
    from pycocotools import mask as coco
    from trackeval.datasets import YouTubeVIS

    truth, tracker = tmp_path / "gt" / "youtube_vis_val", tmp_path / "t" / "youtube_vis_val" / "a" / "data"
    truth.mkdir(parents=True)
    tracker.mkdir(parents=True)
    content = json.loads(written(drawn, "youtube-vis", truth / "a.json").read_text())
    results = [{**annotation, "score": 1.0} for annotation in content["annotations"]]
    for result in results:
        runs = [run and coco.frPyObjects(run, *HW) for run in result["segmentations"]]
        result["segmentations"] = [run and {**run, "counts": run["counts"].decode()} for run in runs]
    (tracker / "a.json").write_text(json.dumps(results))
    folders = {"GT_FOLDER": f"{tmp_path}/gt/", "TRACKERS_FOLDER": f"{tmp_path}/t/", "SPLIT_TO_EVAL": "val"}
    dataset = YouTubeVIS({**folders, "PRINT_CONFIG": False})
    assert set(dataset.class_list) == {"car", "pedestrian"}
    assert [video["file_names"][0] for video in content["videos"]] == ["yard/000000.jpg"]
    raw = dataset.get_raw_seq_data("a", dataset.seq_list[0])
    numbers = {a["id"]: a["track_id"] for a in content["annotations"]}
    found = {
        name: {
            numbers[i]: coco.decode(rle) for i, rle in zip(raw["gt_ids"][t], raw["gt_dets"][t], strict=True)
        }
        for t, name in enumerate(drawn.maps)
    }
    same(found, drawn)


@pytest.mark.parametrize("categories", [False, True])
def test_yolo_seg_by_ultralytics(drawn: Drawn, tmp_path: Path, categories: bool) -> None:
    """Its check of a label file, then its rasterising, with every pixel: holes are reached by an edge."""
    utils = pytest.importorskip("ultralytics.data.utils")
    out = written(drawn, "yolo-seg", tmp_path / "yolo", categories=categories)
    names = utils.YAML.load(out / "data.yaml")["names"]
    assert names == ({0: "car", 1: "pedestrian"} if categories else {i: str(i + 1) for i in range(7)})
    for name, label in drawn.maps.items():
        image, file = str(drawn.images / f"{name}.jpg"), str(out / "labels" / f"{name}.txt")
        _, boxes, shape, segments, *_, corrupt, said = utils.verify_image_label(
            (image, file, "", False, len(names), 0, 0, False)
        )
        assert (corrupt, said, tuple(shape)) == (0, "", HW)
        ids = [int(i) for i in np.unique(label) if i]
        classes = [names[int(box[0])] for box in boxes]
        assert classes == [CATEGORIES[i] if categories else str(i) for i in ids]
        for i, segment in zip(ids, segments, strict=True):
            polygon = (segment * np.array(HW[::-1])).reshape(1, -1)
            assert np.array_equal(utils.polygon2mask(HW, polygon), label == i), (name, i)


def test_yolo_seg_by_supervision(drawn: Drawn, tmp_path: Path) -> None:
    supervision = pytest.importorskip("supervision")
    out = written(drawn, "yolo-seg", tmp_path / "yolo")
    dataset = supervision.DetectionDataset.from_yolo(
        str(drawn.images), str(out / "labels"), str(out / "data.yaml"), force_masks=True
    )
    assert len(dataset) == len(drawn.maps)
    for image, _, detections in dataset:
        assert len(detections) == len(np.unique(drawn.maps[Path(image).stem])) - 1


@pytest.mark.parametrize("name", ["mots_challenge", "kitti_mots"])
def test_mots_by_trackeval(drawn: Drawn, tmp_path: Path, name: str) -> None:
    """MOTSChallenge counts frames from 1, KITTI from 0: numbers are those of the frames' names."""
    trackeval = pytest.importorskip("trackeval")
    from pycocotools import mask as coco

    first = 1 if name == "mots_challenge" else 0
    for place, file in reversed(list(enumerate(sorted(drawn.labels.iterdir()), start=first))):
        file.rename(drawn.labels / f"{place:06d}.png")
    for place, file in reversed(list(enumerate(sorted(drawn.images.iterdir()), start=first))):
        file.rename(drawn.images / f"{place:06d}.jpg")
    out = written(drawn, "mots", tmp_path / "mots")
    kind = trackeval.datasets.MOTSChallenge if first else trackeval.datasets.KittiMOTS
    data = kind.__mro__[1]._load_simple_text_file(str(out / "yard.txt"), is_zipped=False, zip_file=None)[0]
    found: dict[str, dict[int, Any]] = {}
    for number, lines in data.items():
        for _, own, category, height, width, counts in lines:
            assert (int(height), int(width)) == HW and int(own) // 1000 == int(category)
            assert category == ("1" if CATEGORIES[int(own) % 1000] == "car" else "2")
            mask = coco.decode({"size": HW, "counts": counts.encode()})
            found.setdefault(f"{int(number) - first:06d}", {})[int(own) % 1000] = mask
    same(found, drawn)


def test_mots_png_by_datumaro_and_back(drawn: Drawn, tmp_path: Path) -> None:
    datumaro = pytest.importorskip("datumaro")
    out = written(drawn, "mots-png", tmp_path / "mots")
    dataset = datumaro.Dataset.import_from(str(out), "mots")
    found = {
        Path(item.id).name: {a.attributes["track_id"]: a.image for a in item.annotations} for item in dataset
    }
    same(found, drawn)
    dataset.export(str(tmp_path / "again"), "mots_png", save_media=False)
    (again,) = (tmp_path / "again").glob("**/instances")
    (clip,) = read_clips(again.parent, "mots-png")
    same({f.name: {i: f.label() == i for i in np.unique(f.label()) if i} for f in clip.frames}, drawn)
    assert clip.categories == CATEGORIES


def test_cvat_by_datumaro(drawn: Drawn, tmp_path: Path) -> None:
    datumaro = pytest.importorskip("datumaro")
    shutil.copytree(drawn.images, tmp_path / "set" / "images")
    written(drawn, "cvat", tmp_path / "set" / "a.xml")
    dataset = datumaro.Dataset.import_from(str(tmp_path / "set"), "cvat")
    found = {Path(item.id).name: {a.group: a.image for a in item.annotations} for item in dataset}
    same(found, drawn)
    names = dataset.categories()[datumaro.AnnotationType.label]
    assert {a.group: names[a.label].name for item in dataset for a in item.annotations} == CATEGORIES
