"""Image files as frames: damaged, deep, turned, animated, and with whatever names."""

from __future__ import annotations

import logging
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from ermu.errors import SourceError
from ermu.runtime.sources.base import Frame
from ermu.runtime.sources.kinds.animation import AnimationSource
from ermu.runtime.sources.opening import open_source
from tests.support.clips import NOT_UTF8, moving_frames

PICTURE = moving_frames(1)[0]


def read(where: Path | str) -> list[Frame]:
    with open_source(str(where)) as source:
        return list(source)


@pytest.mark.parametrize("suffix", ["jpg", "png", "bmp", "tiff", "webp"])
def test_half_a_picture_is_damaged_or_refused(tmp_path: Path, suffix: str) -> None:
    for i in range(3):
        cv2.imwrite(str(tmp_path / f"{i}.{suffix}"), PICTURE)
    assert [frame.damaged for frame in read(tmp_path)] == [0, 0, 0]
    half = tmp_path / f"1.{suffix}"
    half.write_bytes(half.read_bytes()[: half.stat().st_size // 2])
    try:
        assert [frame.damaged for frame in read(tmp_path)] == [0, 1, 0]
    except SourceError as error:
        assert "cannot be read as an image" in error.problem


def test_half_a_jpeg_goes_on_and_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    data = cv2.imencode(".jpg", PICTURE)[1].tobytes()
    (tmp_path / "0.jpg").write_bytes(data)
    (tmp_path / "1.jpg").write_bytes(data[: len(data) // 2])
    (tmp_path / "2.jpg").write_bytes(data[: len(data) // 2] + bytes(len(data) // 2))
    assert [frame.damaged for frame in read(tmp_path)] == [0, 1, 1]
    assert "1.jpg is damaged: it ends in the middle" in caplog.text


def test_a_corrupt_png_is_damaged_or_refused(tmp_path: Path) -> None:
    data = bytearray(cv2.imencode(".png", PICTURE)[1].tobytes())
    data[len(data) // 2] ^= 0xFF
    (tmp_path / "0.png").write_bytes(data)
    try:
        assert [frame.damaged for frame in read(tmp_path)] == [1]
    except SourceError as error:
        assert "cannot be read as an image" in error.problem


def test_deep_pictures_are_scaled_by_their_range_or_refused(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "0.png"), PICTURE.astype(np.uint16) << 8)
    cv2.imwrite(str(tmp_path / "1.png"), np.full_like(PICTURE, 8).astype(np.uint16) << 8)  # a dark one later
    bright, dark = read(tmp_path)
    assert np.array_equal(bright.image, PICTURE)
    assert dark.image.max() == 8
    twelve = PICTURE.astype(np.uint16) << 4
    cv2.imwrite(str(tmp_path / "twelve.png"), twelve)
    with pytest.raises(SourceError, match=r"no value above \d+: nearly black") as refused:
        read(tmp_path / "twelve.png")
    assert "frame << 4) where they hold 12 bits" in str(refused.value.fix)
    declared = tmp_path / "declared.tiff"
    Image.fromarray(twelve[..., 1]).save(declared, tiffinfo={281: 4095})
    assert np.abs(read(declared)[0].image[..., 1].astype(int) - PICTURE[..., 1]).max() <= 1


def test_fractions_are_no_frames(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "0.tiff"), PICTURE.astype(np.float32) / 255)
    with pytest.raises(SourceError, match="holds float32 values"):
        read(tmp_path)


def test_turned_pictures_are_upright_and_it_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # a quarter clockwise
    Image.fromarray(PICTURE[..., ::-1]).save(tmp_path / "0.jpg", exif=exif, quality=95)
    with caplog.at_level(logging.WARNING, "ermu.sources"):
        frame = read(tmp_path)[0]
    assert np.abs(frame.image.astype(int) - np.rot90(PICTURE, -1)).mean() < 8
    assert "turned by their EXIF orientation (6)" in caplog.text


def test_one_frame_that_is_turned_among_others_is_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(PICTURE[..., ::-1]).save(tmp_path / "0.jpg")
    Image.fromarray(PICTURE[..., ::-1]).save(tmp_path / "1.jpg", exif=exif)
    with caplog.at_level("WARNING", "ermu"):
        first, second = read(tmp_path)
    assert second.image.shape[:2] == first.image.shape[1::-1]
    assert "1.jpg is turned by its EXIF orientation (6)" in caplog.text


@pytest.mark.parametrize("name", ["a.webp", "a.png"])
def test_every_picture_of_an_animation_is_a_frame(tmp_path: Path, name: str) -> None:
    drawn = moving_frames()
    first, *others = [Image.fromarray(image[..., ::-1]) for image in drawn]
    durations = [40, 80] * 6
    first.save(tmp_path / name, save_all=True, append_images=others, duration=durations, lossless=True)
    source = open_source(str(tmp_path / name))
    assert isinstance(source, AnimationSource) and source.total_frames == 12
    frames = list(source)
    assert all(np.array_equal(frame.image, image) for frame, image in zip(frames, drawn, strict=True))
    assert [frame.time for frame in frames] == pytest.approx(np.cumsum([0, *durations[:-1]]) / 1e3)
    with pytest.raises(SourceError, match="holds 12 pictures"):
        read(tmp_path)  # as one of a folder's, it is no single frame
    (tmp_path / name).write_bytes((tmp_path / name).read_bytes()[: (tmp_path / name).stat().st_size // 2])
    try:
        came, total = len(list(source)), source.total_frames
        assert came + source.missing == total and came < total
    except SourceError as error:
        assert "cannot be read" in error.problem


def test_pages_are_no_single_frame_and_thumbnails_no_pages(tmp_path: Path) -> None:
    pages = [Image.fromarray(image[..., ::-1]) for image in moving_frames(3)]
    pages[0].save(tmp_path / "pages.tiff", save_all=True, append_images=pages[1:])
    with pytest.raises(SourceError, match="holds 3 pictures"):
        read(tmp_path / "pages.tiff")
    pages[0].save(tmp_path / "preview.tiff", save_all=True, append_images=[pages[0].resize((40, 24))])
    assert np.array_equal(read(tmp_path / "preview.tiff")[0].image, PICTURE)


def test_hidden_files_are_no_frames_in_folders_and_globs(tmp_path: Path) -> None:
    folder = tmp_path / "clip"
    for name in ("0.jpg", "._0.jpg", ".ipynb_checkpoints/0.jpg", "__MACOSX/0.jpg"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(folder / name), PICTURE)
    (folder / "Thumbs.db").write_bytes(b"x")
    for where in (folder, folder / "*", folder / "[.0]*.jpg"):
        assert [frame.name for frame in read(where)] == ["0"]
    with pytest.raises(SourceError, match="holds no images"):
        read(folder / ".*.jpg")


def test_names_that_are_not_utf8(tmp_path: Path) -> None:
    folder = tmp_path / NOT_UTF8
    folder.mkdir()
    cv2.imwrite(str(tmp_path / "plain.png"), PICTURE)
    (tmp_path / "plain.png").rename(folder / f"{NOT_UTF8}.png")
    for where in (folder, folder / "*.png", folder / f"{NOT_UTF8}.png"):
        frames = read(where)
        assert [frame.name for frame in frames] == [NOT_UTF8]
        assert np.array_equal(frames[0].image, PICTURE)
    (folder / "broken.png").write_bytes(b"")
    with pytest.raises(SourceError, match=r"caf\\xe9 \\xff/broken\.png cannot be read"):
        read(folder)
