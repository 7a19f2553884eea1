"""What a result says of its objects: against brute force, and as other packages take it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from ermu.runtime.images.masks import extents, overlap
from ermu.runtime.results import FrameResult, ObjectState
from ermu.runtime.segmenter import Segmenter
from ermu.scenes.config import SceneConfig
from ermu.scenes.scene import Scene
from tests.runtime.conftest import boxes

LABEL = boxes(48, 64, id3=(5, 10, 25, 20), id9=(40, 30, 50, 40), id254=(0, 0, 1, 1))


@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (40, 1), (37, 53)])
def test_extents_are_those_of_every_mask(shape: tuple[int, int]) -> None:
    random = np.random.default_rng(2)
    for values in ((0, 1, 2, 255), (7,), range(256)):
        label = random.choice(np.array(values, np.uint8), shape)
        found = extents(label)
        for i in range(1, 256):
            ys, xs = np.nonzero(label == i)
            assert found.areas[i] == len(ys)
            expected = (xs.min(), ys.min(), xs.max() + 1, ys.max() + 1) if len(ys) else None
            assert found.box(i) == expected


def test_overlap_by_hand() -> None:
    assert overlap((0, 0, 2, 2), (1, 0, 3, 2)) == pytest.approx(1 / 3)
    assert overlap((0, 0, 2, 2), (2, 0, 3, 2)) == overlap((0, 0, 0, 0), (0, 0, 0, 0)) == 0
    assert overlap((0, 0, 2, 2), (0, 0, 2, 2)) == 1


@pytest.fixture(scope="module")
def followed() -> list[FrameResult]:
    """The demo network on a clip; its label map at first, then what it has found."""
    scene = Scene(SceneConfig(seed=3, size_hw=(144, 240), frames=8, objects=3, split="validation"))
    with Segmenter("demo", threads=1) as segmenter:
        results = [segmenter.start(*scene[0])]
        for t in range(1, 8):
            results.append(segmenter.step(scene[t][0]))
            whole = segmenter.probabilities()
            for sighting in results[-1].visible:
                (row,) = np.flatnonzero(whole.ids == sighting.id)
                everywhere = whole.values[row][results[-1].label == sighting.id].mean()
                assert sighting.score == pytest.approx(everywhere, abs=0.06)  # it is sampled
    return results


def test_a_segmenter_alone_says_where_everything_is(followed: list[FrameResult]) -> None:
    results = followed
    assert [sighting.id for sighting in results[0].objects] == [1, 2, 3]
    for result in results:
        for sighting in result.objects:
            ys, xs = np.nonzero(result.label == sighting.id)
            assert sighting.area == len(ys)
            assert sighting.box == (xs.min(), ys.min(), xs.max() + 1, ys.max() + 1)
            assert sighting.state is ObjectState.VISIBLE
            assert sighting.score is not None and 0.5 < sighting.score <= 1


def test_an_object_without_a_pixel_is_absent(tiny_segmenter: Callable[..., Segmenter]) -> None:
    segmenter = tiny_segmenter()
    frame = np.full((48, 64, 3), 90, np.uint8)
    assert segmenter.start(frame).objects == ()
    segmenter.add_objects(LABEL)
    result = segmenter.step(frame, remember=np.zeros_like(LABEL))
    for _ in range(3):
        result = segmenter.step(frame, remember=np.zeros_like(LABEL))
    assert [sighting.id for sighting in result.objects] == [3, 9, 254]
    for sighting in result.objects:
        seen = bool((result.label == sighting.id).any())
        assert (sighting.state is ObjectState.VISIBLE) == seen == (sighting.box is not None)
    segmenter.remove_objects([9])
    assert [sighting.id for sighting in segmenter.step(frame).objects] == [3, 254]


def test_coco_reads_it(followed: list[FrameResult]) -> None:
    coco = pytest.importorskip("pycocotools.coco", reason="reads results with COCO's own code")
    from pycocotools import mask

    result = followed[-1]
    truth = coco.COCO()
    height, width = result.label.shape
    truth.dataset = {
        "images": [{"id": 40, "height": height, "width": width}],
        "categories": [{"id": 5, "name": "object 1"}, {"id": 6, "name": "object 3"}],
        "annotations": [],
        "info": {},
    }
    truth.createIndex()
    named = result.to_coco(image_id=40, categories={"object 1": 5, "object 3": 6})
    read = truth.loadRes([dict(each) for each in named])  # it changes what it is given
    found = read.loadAnns(read.getAnnIds(imgIds=[40]))
    assert [each["category_id"] for each in found] == [5, 6]
    assert [mask.area(each["segmentation"]) for each in named] == [each["area"] for each in named]
    for each, object_id in zip(found, (1, 3), strict=True):
        np.testing.assert_array_equal(read.annToMask(each), result.label == object_id)
        assert mask.toBbox(each["segmentation"]).tolist() == each["bbox"]
    assert [each["category_id"] for each in result.to_coco()] == [1, 2, 3]
    assert {each["image_id"] for each in result.to_coco()} == {7}


def test_supervision_takes_it(followed: list[FrameResult]) -> None:
    supervision = pytest.importorskip("supervision", reason="builds its Detections")
    result = followed[-1]
    nothing = replace(result, label=np.zeros_like(result.label), objects=())
    assert len(supervision.Detections(**nothing.to_supervision())) == 0
    found = supervision.Detections(**result.to_supervision())
    assert len(found) == 3 and found.tracker_id.tolist() == [1, 2, 3]
    assert found["class_name"].tolist() == ["object 1", "object 2", "object 3"]
    np.testing.assert_array_equal(found.mask[1], result.label == 2)
    # Its own boxes of masks are inclusive; ours end a pixel later, as Detections.area takes them.
    np.testing.assert_array_equal(supervision.mask_to_xyxy(found.mask) + np.array([0, 0, 1, 1]), found.xyxy)
    assert found[found.confidence > 0.5].area.tolist() == [s.area for s in result.visible]


def test_what_supervision_is_given() -> None:
    """The same without the package: shapes, dtypes, no object, no score."""
    result = FrameResult(0, LABEL, [])
    empty = result.to_supervision()
    assert empty["xyxy"].shape == (0, 4) and empty["mask"].shape == (0, 48, 64)
    assert len(empty["class_id"]) == len(empty["data"]["class_name"]) == 0
