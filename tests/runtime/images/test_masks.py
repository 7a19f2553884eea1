"""Masks as people have them: what is read as ids, and what is refused with the reason."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from ermu.errors import PromptError
from ermu.runtime.images.labels import as_prompt, check_prompt, object_ids, read_label_map, write_label_map
from ermu.runtime.images.palette import PALETTE
from ermu.scenes.config import SceneConfig
from ermu.scenes.scene import Scene
from ermu.types import LabelMap


def two_disks(first: int = 1, second: int = 2, size: int = 1) -> LabelMap:
    label = np.zeros((80 * size, 120 * size), np.uint8)
    cv2.circle(label, (35 * size, 40 * size), 25 * size, first, -1)
    cv2.circle(label, (85 * size, 40 * size), 25 * size, second, -1)
    return label


def save(path: Path, values: np.ndarray, **options: object) -> Path:
    Image.fromarray(values).save(path, **options)  # type: ignore[arg-type]
    return path


@pytest.mark.parametrize("suffix", ["jpg", "jpeg"])
def test_a_jpeg_mask_is_refused_with_what_it_holds(tmp_path: Path, suffix: str) -> None:
    with pytest.raises(PromptError, match=r"is a JPEG: compression has changed its ids, it holds \d+ diff"):
        read_label_map(save(tmp_path / f"m.{suffix}", two_disks(128, 255)))


@pytest.mark.parametrize(
    ("name", "options", "format"),
    [
        ("m.webp", {"quality": 80}, "WEBP"),
        ("m.tif", {"compression": "jpeg"}, r"TIFF \(jpeg\)"),
        ("m.jp2", {"quality_layers": [20]}, "JPEG2000"),
    ],
)
def test_other_lossy_files_are_refused_too(tmp_path: Path, name: str, options: dict, format: str) -> None:
    with pytest.raises(PromptError, match=f"is a {format}: compression has changed its ids"):
        read_label_map(save(tmp_path / name, np.dstack([two_disks(1, 2)] * 3), **options))


@pytest.mark.parametrize(
    ("name", "options"), [("m.webp", {"lossless": True}), ("m.tif", {"compression": "tiff_lzw"})]
)
def test_the_same_formats_without_loss_are_read(tmp_path: Path, name: str, options: dict) -> None:
    mask = two_disks(1, 2)
    values = np.dstack([mask] * 3) if name.endswith("webp") else mask
    np.testing.assert_array_equal(read_label_map(save(tmp_path / name, values, **options)), mask)


@pytest.mark.parametrize("ids", [(128, 255), (38, 75), (80, 160)])
@pytest.mark.parametrize("kind", ["downscaled", "anti-aliased", "blurred", "was a JPEG"])
def test_mixed_edges_are_refused_with_the_ids_found(tmp_path: Path, ids: tuple[int, int], kind: str) -> None:
    mask = two_disks(*ids)
    if kind == "downscaled":
        mask = cv2.resize(two_disks(*ids, size=4), (120, 80), interpolation=cv2.INTER_AREA)
    elif kind == "anti-aliased":
        mask = np.zeros((80, 120), np.uint8)
        for x, value in zip((35, 85), ids, strict=True):
            cv2.circle(mask, (x, 40), 25, value, -1, cv2.LINE_AA)
    elif kind == "blurred":
        mask = cv2.GaussianBlur(mask, (0, 0), 1)
    else:
        mask = cv2.imdecode(cv2.imencode(".jpg", mask)[1], cv2.IMREAD_GRAYSCALE)
    with pytest.raises(PromptError, match=r"has \d+ ids, \d+ of them on a few pixels along edges only"):
        read_label_map(save(tmp_path / "m.png", mask))


@pytest.mark.parametrize("seed", range(4))
def test_exact_masks_of_many_objects_are_taken(tmp_path: Path, seed: int) -> None:
    _, label = Scene(SceneConfig(seed=seed, objects=9))[0]
    write_label_map(tmp_path / "m.png", label)
    assert np.array_equal(read_label_map(tmp_path / "m.png"), label)
    crowd = np.zeros((60, 200), np.uint8)  # people far away: dots, next to each other and on a large object
    crowd[30:] = 90
    for i in range(40):
        crowd[28 + i % 5, 2 + 4 * i : 4 + 4 * i] = i + 1
    assert np.array_equal(read_label_map(save(tmp_path / "crowd.png", crowd)), crowd)


def test_a_palette_picture_of_three_channels_is_read_by_its_colours(tmp_path: Path) -> None:
    label = two_disks(1, 9)
    write_label_map(tmp_path / "palette.png", label)
    opened = cv2.imread(str(tmp_path / "palette.png"))  # as anyone would: three channels of colours
    assert opened is not None and opened.shape == (80, 120, 3)
    cv2.imwrite(str(tmp_path / "colours.png"), opened)
    assert np.array_equal(read_label_map(tmp_path / "colours.png"), label)
    opaque = np.dstack([PALETTE[label], np.full(label.shape, 255, np.uint8)])
    assert np.array_equal(read_label_map(save(tmp_path / "rgba.png", opaque)), label)


def test_other_colours_and_transparency_are_refused(tmp_path: Path) -> None:
    mixed = cv2.resize(PALETTE[two_disks(size=4)], (120, 80), interpolation=cv2.INTER_AREA)
    with pytest.raises(PromptError, match=r"colour image \(RGB\), \d+ of whose colours are not in the DAVIS"):
        read_label_map(save(tmp_path / "m.png", mixed))
    clear = np.dstack([PALETTE[two_disks()], two_disks() * 100])
    with pytest.raises(PromptError, match="partly transparent"):
        read_label_map(save(tmp_path / "m.png", clear))


def test_grey_in_three_channels(tmp_path: Path) -> None:
    ids = two_disks(1, 2)
    assert np.array_equal(read_label_map(save(tmp_path / "m.png", np.dstack([ids] * 3))), ids)
    with pytest.raises(PromptError, match="are its ids 128 or 7"):
        read_label_map(save(tmp_path / "m.png", np.dstack([two_disks(128, 128)] * 3)))


@pytest.mark.parametrize(
    ("values", "suffix", "told"),
    [
        (two_disks().astype(np.float32) / 2, "tiff", "floating-point values from 0 to 1"),
        (-two_disks().astype(np.int32), "tiff", "holds the id -2"),
        (two_disks().astype(np.uint16) * 500, "png", "holds the id 1000: 3 values"),
        (two_disks().astype(np.int32) * 70000, "tiff", "holds the id 140000"),
    ],
)
def test_values_that_are_no_ids(tmp_path: Path, values: np.ndarray, suffix: str, told: str) -> None:
    with pytest.raises(PromptError, match=told) as refused:
        read_label_map(save(tmp_path / f"m.{suffix}", values))
    assert refused.value.fix


def test_the_fix_for_large_ids_works(tmp_path: Path) -> None:
    mask = two_disks().astype(np.uint16) * 500
    with pytest.raises(PromptError) as refused:
        read_label_map(save(tmp_path / "m.png", mask))
    fixed = eval(str(refused.value.fix).partition(": ")[2], {"np": np, "mask": mask})
    assert np.array_equal(fixed, two_disks())


def test_a_mask_of_0_and_255_is_object_1_and_that_is_said(caplog: pytest.LogCaptureFixture) -> None:
    binary = (two_disks() == 1).astype(np.uint8) * 255
    with caplog.at_level(logging.WARNING, "ermu.images"):
        prompt = as_prompt(binary)
    assert np.array_equal(prompt, binary // 255)
    assert [record.getMessage() for record in caplog.records if "255 is taken as object 1" in record.message]
    beside = two_disks(1, 255)
    assert as_prompt(beside) is beside and object_ids(beside) == [1]
    empty = np.zeros((4, 4), np.uint8)
    assert as_prompt(empty) is empty


def test_a_size_that_differs_by_a_quarter_turn_names_the_rotation() -> None:
    with pytest.raises(PromptError, match=r"quarter turn: frames are turned as their file says \(EXIF"):
        check_prompt(two_disks(), (120, 80))
    with pytest.raises(PromptError) as refused:
        check_prompt(two_disks(), (60, 90))
    assert "quarter" not in str(refused.value)


def test_paths_as_text_and_names_that_are_not_utf8(tmp_path: Path) -> None:
    path = f"{tmp_path}/m.png"
    write_label_map(path, two_disks())
    assert np.array_equal(read_label_map(path), two_disks())
    odd = tmp_path / os.fsdecode(b"\xff.png")
    write_label_map(odd, two_disks())
    assert np.array_equal(read_label_map(odd), two_disks())
    with pytest.raises(PromptError, match=r"no label map at .*\\xfe"):
        read_label_map(tmp_path / os.fsdecode(b"\xfe.png"))
