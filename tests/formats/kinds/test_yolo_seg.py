"""YOLO-seg: lines as Ultralytics writes them, and polygons through holes and between parts."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from ermu.errors import AnnotationError
from ermu.formats.conversion import read_clips, recognised, write_clips
from ermu.formats.outlines import filled, outline
from ermu.runtime.images.labels import write_label_map

SQUARE = "0.1 0.1 0.5 0.1 0.5 0.5 0.1 0.5"  # pixels 1 to 5 of ten
CORNER = "0.8 0.8 0.99 0.8 0.99 0.99"


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    """A dataset of one picture, ten pixels wide and high."""
    for folder in ("images", "labels"):
        (tmp_path / folder).mkdir()
    cv2.imwrite(str(tmp_path / "images" / "000.png"), np.zeros((10, 10, 3), np.uint8))
    (tmp_path / "data.yaml").write_text("names: [cat, dog]\n")
    return tmp_path


def label(dataset: Path, *lines: str) -> np.ndarray:
    (dataset / "labels" / "000.txt").write_text("\n".join(lines) + "\n")
    return read_clips(dataset, "yolo-seg")[0].frames[0].label()


def test_classes_are_objects(dataset: Path) -> None:
    found = label(dataset, f"1 {SQUARE}", "", f"0 {CORNER}")
    assert recognised(dataset) == "yolo-seg"
    assert (found[1:6, 1:6] == 2).all() and np.count_nonzero(found == 2) == 25
    assert found[9, 9] == 1 and read_clips(dataset, "yolo-seg")[0].categories == {1: "cat", 2: "dog"}


def test_ids_of_tracks(dataset: Path) -> None:
    found = label(dataset, f"1 {SQUARE} 7", f"1 {CORNER} 3")
    assert found[3, 3] == 7 and found[9, 9] == 3


def test_two_of_a_class_are_told_apart(dataset: Path, caplog: pytest.LogCaptureFixture) -> None:
    found = label(dataset, f"1 {SQUARE}", f"1 {CORNER}")
    assert found[3, 3] == 1 and found[9, 9] == 2 and "need not be one object" in caplog.text


def test_a_byte_order_mark_is_none_of_the_class(dataset: Path) -> None:
    assert label(dataset, f"\ufeff1 {SQUARE}")[3, 3] == 2


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("0 0.5 0.5 0.2 0.2", "line 1 has 5 numbers"),
        ("0 a b c d e f", "line 1 is not made of numbers"),
        ("0.5 0 0 1 0 1 1", "line 1 has 7 numbers"),
        ("0 0 0 100 0 100 100", "coordinates up to 100"),
        ("0 0 0 nan 0 1 1", "coordinates up to nan"),
    ],
)
def test_damaged(dataset: Path, line: str, said: str) -> None:
    with pytest.raises(AnnotationError) as caught:
        label(dataset, line)
    assert said in caught.value.problem


def test_sizes_are_needed(dataset: Path) -> None:
    label(dataset, f"0 {SQUARE}")
    with pytest.raises(AnnotationError, match="says nothing of the images' sizes") as caught:
        read_clips(dataset / "labels", "yolo-seg")
    assert "--images" in (caught.value.fix or "")
    assert read_clips(dataset / "labels", "yolo-seg", dataset / "images")[0].frames[0].hw == (10, 10)


def test_outlines_of_any_shape() -> None:
    """Holes of any number are exact; parts are joined, and nothing is lost."""
    generator = np.random.default_rng(0)
    exact = 0
    for _ in range(60):
        canvas = np.zeros((60, 80), np.uint8)
        for value, count in ((1, generator.integers(1, 4)), (0, generator.integers(0, 4))):
            for x, y, a, b in generator.integers((0, 0, 1, 1), (80, 60, 20, 15), (count, 4)).tolist():
                cv2.ellipse(canvas, (x, y), (a >> (1 - value), b >> (1 - value)), 0, 0, 360, (value,), -1)
        mask = canvas > 0
        parts = cv2.connectedComponents(canvas)[0] - 1
        if parts:
            found = filled(outline(mask) + 0.5, mask.shape)
            assert found[mask].all()
            assert parts > 1 or np.array_equal(found, mask)
            exact += parts == 1
    assert exact > 20


def test_single_pixels_and_lines(dataset: Path) -> None:
    for number, mask in enumerate(
        (np.eye(10) > 0, np.arange(100).reshape(10, 10) == 55, np.ones((10, 10)) > 0)
    ):
        source, out = dataset / f"in{number}", dataset / f"out{number}"
        source.mkdir()
        write_label_map(source / "000.png", mask.astype(np.uint8))
        write_clips(read_clips(source, "labels"), "yolo-seg", out)
        (clip,) = read_clips(out, "yolo-seg", dataset / "images")
        assert np.array_equal(clip.frames[0].label() == 1, mask)
