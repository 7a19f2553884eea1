"""Prompts by frame: from the folder on disk to the label maps of `ermu run`."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest

from ermu.errors import PromptError
from ermu.runtime.images.labels import read_label_map, write_label_map
from ermu.runtime.prompts import PromptFolder
from ermu.runtime.sources.base import Frame
from tests.cli.commands.test_run import ermu

HW = (70, 100)


def frame(name):
    return Frame(0, name, np.zeros((*HW, 3), np.uint8))


def square(object_id, column):
    label = np.zeros(HW, np.uint8)
    label[10:30, column : column + 20] = object_id
    return label


@pytest.fixture
def folder(tmp_path):
    """Object 4 in frame im0, 4 and 200 in im3, 9 alone in im5."""
    place = tmp_path / "prompts"
    place.mkdir()
    write_label_map(place / "im0.png", square(4, 5))
    write_label_map(place / "im3.png", square(4, 40) + square(200, 70))
    write_label_map(place / "im5.png", square(9, 5))
    (place / "._im7.png").write_bytes(b"not mine")
    return place


@pytest.fixture
def frames(tmp_path):
    place = tmp_path / "frames"
    place.mkdir()
    for i in range(8):
        image = np.random.default_rng(i).integers(0, 256, (*HW, 3), np.uint8)
        cv2.imwrite(str(place / f"im{i}.png"), image)
    return place


def test_each_label_map_brings_its_new_objects(folder):
    prompts = PromptFolder(folder)
    np.testing.assert_array_equal(prompts.take(frame("im0")), square(4, 5))
    assert prompts.take(frame("im1")) is None
    np.testing.assert_array_equal(prompts.take(frame("im3")), square(200, 70))
    with pytest.raises(PromptError, match=r"1 label map in .* none of the 4 frames: im5\.png\."):
        prompts.check_used(4)
    assert prompts.take(frame("im5")) is not None
    prompts.check_used(8)


def test_numbers_count_as_numbers(tmp_path):
    write_label_map(tmp_path / "007.png", square(1, 0))
    assert PromptFolder(tmp_path).take(frame("00007")) is not None
    write_label_map(tmp_path / "7.png", square(1, 0))
    with pytest.raises(PromptError, match=r"7\.png and 007\.png .* same frame"):
        PromptFolder(tmp_path)


def test_a_mask_of_0_and_255_is_object_1(tmp_path):
    write_label_map(tmp_path / "a.png", square(255, 0))
    write_label_map(tmp_path / "b.png", square(255, 0) + square(2, 40))
    prompts = PromptFolder(tmp_path)
    np.testing.assert_array_equal(prompts.take(frame("a")), square(1, 0))
    np.testing.assert_array_equal(prompts.take(frame("b")), square(255, 0) + square(2, 40))


def test_an_empty_folder_is_refused(tmp_path):
    with pytest.raises(PromptError, match="holds no label map"):
        PromptFolder(tmp_path)


def test_run_adds_objects_where_they_appear(tiny_bundle, folder, frames, tmp_path):
    arguments = ["run", "--bundle", tiny_bundle, "--source", frames, "--out", tmp_path / "out"]
    done = ermu(*arguments, "--prompts", folder, "--objects", tmp_path / "o.jsonl", "--threads", 1)
    assert done.returncode == 0, done.stderr
    maps = [read_label_map(tmp_path / "out" / "labels" / f"im{i}.png") for i in range(8)]
    np.testing.assert_array_equal(maps[0], square(4, 5))
    assert [200 in label for label in maps[:4]] == [False, False, False, True]
    np.testing.assert_array_equal(maps[3] == 200, square(200, 70) == 200)
    np.testing.assert_array_equal(maps[5] == 9, square(9, 5) == 9)
    lines = [json.loads(line) for line in (tmp_path / "o.jsonl").read_text().splitlines()]
    ids = [[item["id"] for item in line["objects"]] for line in lines]
    assert ids == [[4]] * 3 + [[4, 200]] * 2 + [[4, 9, 200]] * 3
    assert [item["area"] for item in lines[3]["objects"] if item["id"] == 200] == [400]


def test_a_stream_may_begin_with_nothing(tiny_bundle, folder, frames, tmp_path):
    (folder / "im0.png").unlink()
    arguments = ["run", "--bundle", tiny_bundle, "--source", frames, "--out", tmp_path / "out"]
    done = ermu(*arguments, "--prompt", folder, "--threads", 1)
    assert done.returncode == 0, done.stderr
    maps = [read_label_map(tmp_path / "out" / "labels" / f"im{i}.png") for i in range(4)]
    assert not np.any(maps[:3])
    np.testing.assert_array_equal(maps[3], square(4, 40) + square(200, 70))


def test_a_label_map_without_its_frame_is_told_and_results_stay(tiny_bundle, folder, frames, tmp_path):
    (folder / "im5.png").rename(folder / "im55.png")
    arguments = ["run", "--bundle", tiny_bundle, "--source", frames, "--out", tmp_path / "out"]
    done = ermu(*arguments, "--prompts", folder, "--threads", 1)
    assert done.returncode == 1 and "for none of the 8 frames: im55.png" in done.stderr
    assert len(list((tmp_path / "out" / "labels").iterdir())) == 8
    few = ["run", "--bundle", tiny_bundle, "--source", frames, "--out", tmp_path / "few", "--max-frames", 2]
    assert ermu(*few, "--prompts", folder, "--threads", 1).returncode == 0
