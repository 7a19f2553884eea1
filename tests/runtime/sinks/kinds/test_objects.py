"""Object records, and COCO's run lengths by hand and by COCO's own code."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ermu.runtime.images.masks import mask_record
from ermu.runtime.images.run_lengths import coco_rle
from ermu.runtime.segmenter import Segmenter
from ermu.runtime.sinks.kinds.objects import ObjectSink
from ermu.runtime.sources.opening import open_source
from ermu.runtime.streams.pipeline import Pipeline

Segmenters = Callable[..., Segmenter]


def test_object_records_name_every_object(tiny_segmenter: Segmenters, tmp_path: Path) -> None:
    label = np.zeros((48, 64), np.uint8)
    label[10:20, 5:25], label[30:40, 40:50] = 2, 9
    path = tmp_path / "objects.jsonl"
    Pipeline(tiny_segmenter(), open_source("scene:4,objects=2,frames=3,size=48x64"), [ObjectSink(path)]).run(
        label
    )
    records = [json.loads(line) for line in path.read_text().splitlines()]
    assert [record["frame"] for record in records] == [0, 1, 2]
    first = {o["id"]: o for o in records[0]["objects"]}
    assert first[2]["box"] == [5, 10, 25, 20] and first[2]["area"] == 200
    assert first[9]["box"] == [40, 30, 50, 40] and first[9]["state"] == "visible"
    assert all(0 <= o["score"] <= 1 for o in first.values())
    assert all({o["id"] for o in record["objects"]} == {2, 9} for record in records)


def test_run_lengths_by_hand() -> None:
    mask = np.array([[0, 1, 1], [0, 1, 0]], bool)  # columns first: 0 0 1 1 1 0
    assert coco_rle(mask) == {"size": [2, 3], "counts": "231"}
    assert coco_rle(np.ones((2, 2), bool))["counts"] == "04"
    assert mask_record(np.zeros((2, 2), bool)) == {
        "area": 0,
        "box": None,
        "segmentation": {"size": [2, 2], "counts": "4"},
    }


def test_run_lengths_are_cocos() -> None:
    coco = pytest.importorskip("pycocotools.mask", reason="compares with COCO's own code")
    generator = np.random.default_rng(1)
    masks = [generator.uniform(size=(37, 53)) < share for share in (0.01, 0.3, 0.5, 0.99)]
    blob = np.zeros((480, 640), bool)
    blob[100:300, 50:600] = True
    for mask in [*masks, blob]:
        rle = coco_rle(mask)
        assert rle["counts"] == coco.encode(np.asfortranarray(mask.astype(np.uint8)))["counts"].decode()
        assert np.array_equal(coco.decode(rle), mask)
