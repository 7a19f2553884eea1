"""Photographs and cut-outs are found where packages put them, split in two, and said to be missing."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest

from ermu.errors import DatasetError
from ermu.scenes.config import SceneConfig
from ermu.scenes.footage.collection import contained, cut_outs, photographs, read
from ermu.scenes.footage.extraction import extracted
from ermu.scenes.footage.packages import CUT_OUTS, VARIABLE, package_names, root
from ermu.scenes.footage.surfaces import on_canvas
from ermu.scenes.scene import Scene
from tests.scenes.footage.conftest import COPIES, container, encoded, picture


def test_a_container_gives_its_pictures_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.rcc"
    path.write_bytes(container([picture(1), picture(2)]))
    entries = contained(path)
    assert len(entries) == 2
    for entry, seed in zip(entries, (1, 2), strict=True):
        data = np.frombuffer(encoded(".webp", picture(seed)), np.uint8)
        np.testing.assert_array_equal(read(entry), cv2.imdecode(data, cv2.IMREAD_COLOR))


@pytest.mark.usefixtures("packages")
def test_the_splits_share_nothing_and_leave_nothing_out() -> None:
    for of in (photographs, *(partial(cut_outs, kind=kind) for kind in CUT_OUTS)):
        train, validation = set(of("train")), set(of("validation"))
        assert train and validation and train.isdisjoint(validation)
    entries = {*cut_outs("train", "vehicles"), *cut_outs("validation", "vehicles")}
    assert len(entries) == len(CUT_OUTS["vehicles"].patterns) * COPIES


def test_drawings_small_pictures_and_those_without_coverage_are_no_cut_outs(packages: Path) -> None:
    folder = packages / "usr/share/tuxpaint/stamps/vehicles"
    (folder / "cartoon").mkdir()
    (folder / "cartoon" / "car.png").write_bytes(encoded(".png", picture(0, 4)))
    (folder / "small.png").write_bytes(encoded(".png", picture(0, 4)[:30, :30].copy()))
    (folder / "flat.png").write_bytes(encoded(".png", picture(0)))
    entries = (*cut_outs("train", "vehicles"), *cut_outs("validation", "vehicles"))
    assert {path.parent.name for path, _, _ in entries} == {"deep"}


def test_a_missing_package_is_named_with_what_fetches_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    with pytest.raises(DatasetError, match="gcompris-qt-data") as error:
        Scene(SceneConfig(seed=1, frames=2, style="footage"))
    assert "make photographs" in str(error.value.fix) and package_names()[-1] in str(error.value.fix)


def test_a_broken_picture_is_named(tmp_path: Path) -> None:
    path = tmp_path / "broken.jpg"
    path.write_bytes(b"no picture")
    with pytest.raises(DatasetError, match="broken"):
        read((path, 0, 10))


def test_a_cut_out_fills_its_canvas_and_its_colours_go_on_beyond_it() -> None:
    image = picture(0, 4)
    image[:, :, :3][image[:, :, 3] > 0] = (40, 120, 200)
    canvas = on_canvas(image, 100)
    rows, columns = np.nonzero(canvas[:, :, 3] > 127)
    assert canvas.shape == (100, 100, 4)
    for places in (rows, columns):
        assert abs(int(places.min()) - 7) <= 1 and abs(int(places.max()) - 92) <= 1  # 0.86 of 100, centred
    ring = cv2.dilate(canvas[:, :, 3], np.ones((9, 9))) > 0
    assert np.abs(canvas[ring][:, :3].astype(int) - (40, 120, 200)).max() <= 3


def test_a_clear_thing_is_cut_out_of_a_photograph_and_no_other(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    truth = cv2.ellipse(np.zeros((300, 400), np.uint8), (210, 140), (90, 60), 20, 0, 360, 1, -1)
    meadow, thing = ((40, 160, 60), (190, 40, 160))
    image = np.where(truth[:, :, None] > 0, thing, meadow) + rng.normal(0, 6, (300, 400, 3))
    scenes = {"clear": image, "meadow": np.where(truth[:, :, None] > 1, thing, meadow) + image * 0}
    found = {}
    for name, scene in scenes.items():
        path = tmp_path / f"{name}.png"
        path.write_bytes(encoded(".png", np.clip(scene, 0, 255).astype(np.uint8)))
        found[name] = extracted((path, 0, path.stat().st_size))
    left, top, width, height = cv2.boundingRect(truth)
    cut = found["clear"]
    assert found["meadow"] is None and cut is not None
    assert abs(cut.shape[0] - height) <= 6 and abs(cut.shape[1] - width) <= 6
    wanted = cv2.resize(truth[top : top + height, left : left + width], cut.shape[1::-1]) > 0
    mask = cut[:, :, 3] > 127
    assert (mask & wanted).sum() / (mask | wanted).sum() > 0.93
    assert np.abs(cut[mask][:, :3].mean(0) - thing).max() < 4


@pytest.mark.skipif(
    not (root() / "usr/share/tuxpaint/stamps/animals").is_dir(), reason="make photographs has not been run"
)
def test_the_real_packages_have_photographs_in_number() -> None:
    assert len(photographs("train")) > 200
    assert min(len(cut_outs("train", kind)) for kind in CUT_OUTS) >= 20
    assert all(read(entry).shape[2] == 4 for entry in cut_outs("validation", "animals"))
