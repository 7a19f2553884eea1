"""Single pictures and masks in folders."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ermu.errors import DatasetError
from ermu.training.config import PhaseConfig
from ermu.training.data.config import PictureSourceConfig
from ermu.training.data.sources.pictures import one_object, open_pictures
from tests.training.data.sources.layouts import write_label, write_pictures

PHASE = PhaseConfig(frames=4, size=49)


def test_a_folder_of_pictures_and_one_of_masks_give_clips(tmp_path: Path) -> None:
    write_pictures(tmp_path / "i", tmp_path / "m", 3)
    source = open_pictures(PictureSourceConfig(kind="pictures", images=tmp_path / "i", masks=tmp_path / "m"))
    assert source.size == 3
    sample = source.sample(np.random.default_rng(0), 1, PHASE)
    assert sample.frames.shape == (4, 49, 49, 3)
    assert set(np.unique(sample.labels)) == {0, 1, 2}
    green = sample.frames[..., 1]
    assert np.median(green[sample.labels == 1]) > np.median(green[sample.labels == 2]) > 100
    again = source.sample(np.random.default_rng(0), 1, PHASE)
    assert (sample.frames == again.frames).all() and (sample.labels == again.labels).all()


def test_sets_are_read_one_after_the_other(tmp_path: Path) -> None:
    for name, count in (("COCO", 2), ("ECSSD", 3)):
        write_pictures(tmp_path / "JPEGImages" / name, tmp_path / "Annotations" / name, count)
    folders = {"images": tmp_path / "JPEGImages", "masks": tmp_path / "Annotations"}
    config = PictureSourceConfig(kind="pictures", sets=("COCO", "ECSSD"), **folders)
    assert open_pictures(config).size == 5
    with pytest.raises(DatasetError, match="MSRA10K has no pictures"):
        open_pictures(PictureSourceConfig(kind="pictures", sets=("MSRA10K",), **folders))
    (tmp_path / "Annotations" / "ECSSD" / "p1.png").unlink()
    with pytest.raises(DatasetError, match=r"p1\.png is missing \(1 masks are\)"):
        open_pictures(config)


def test_a_mask_of_another_size_is_refused(tmp_path: Path) -> None:
    write_pictures(tmp_path / "i", tmp_path / "m", 1)
    write_label(tmp_path / "m" / "p0.png", np.zeros((60, 81), np.uint8))
    source = open_pictures(PictureSourceConfig(kind="pictures", images=tmp_path / "i", masks=tmp_path / "m"))
    with pytest.raises(DatasetError, match="81 x 60 pixels") as caught:
        source.sample(np.random.default_rng(0), 0, PHASE)
    assert "80 x 60" in str(caught.value)


def test_black_and_white_masks_are_one_object() -> None:
    assert one_object(np.array([[0, 255]], np.uint8)).tolist() == [[0, 1]]
    assert one_object(np.array([[0, 2, 255]], np.uint8)).tolist() == [[0, 2, 255]]
    assert one_object(np.zeros((1, 2), np.uint8)).tolist() == [[0, 0]]


def test_photographs_are_read_as_rgb(tmp_path: Path) -> None:
    write_pictures(tmp_path / "i", tmp_path / "m", 1)
    (tmp_path / "i" / "p0.png").unlink()
    Image.new("RGB", (80, 60), (200, 20, 20)).save(tmp_path / "i" / "p0.JPG")
    source = open_pictures(PictureSourceConfig(kind="pictures", images=tmp_path / "i", masks=tmp_path / "m"))
    frame = source.sample(np.random.default_rng(0), 0, PHASE).frames[0]
    assert frame[..., 0].mean() > 150 and frame[..., 2].mean() < 60
