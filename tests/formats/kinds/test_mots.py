"""MOTS by hand: ids, classes, pixels to ignore, damaged lines."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ermu.errors import AnnotationError
from ermu.formats.conversion import read_clips, recognised

# Columns first, zeros first: "231" is 2, 3, 1 and "6" all zeros of the 2 x 3 mask [[0 1 1] [0 1 0]].
LINES = "52 1005 1 2 3 231\n53 2001 2 2 3 231\n"


def test_lines(tmp_path: Path) -> None:
    path = tmp_path / "0009.txt"
    path.write_text(LINES + "53 10000 10 2 3 02\n".replace("02", "024"))
    assert recognised(path) == "mots"
    (clip,) = read_clips(path, "mots")
    assert clip.name == "0009" and [frame.name for frame in clip.frames] == ["000052", "000053"]
    assert clip.frames[0].label().tolist() == [[0, 5, 5], [0, 5, 0]]
    # runs 0, 2, 4: the first column is to be ignored
    assert clip.frames[1].label().tolist() == [[255, 1, 1], [255, 1, 0]]
    assert clip.categories == {5: "car", 1: "pedestrian"}


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("52 1005 1 2 3", "line 3 is no line of MOTS"),
        ("52 x 1 2 3 231", "line 3 is no line of MOTS"),
        ("52 1006 1 3 2 231", "another size than an earlier one of frame 52"),
        ("54 1006 1 2 3 23", "runs of 5 pixels in a mask of 6"),
        ("54 1006 1 0 3 231", "'3' wide and '0' high"),
    ],
)
def test_damaged(tmp_path: Path, line: str, said: str) -> None:
    path = tmp_path / "a.txt"
    path.write_text(f"{LINES}{line}\n")
    with pytest.raises(AnnotationError) as caught:
        [frame.label() for frame in read_clips(path, "mots")[0].frames]
    assert said in caught.value.problem


def test_pictures(tmp_path: Path) -> None:
    values = np.array([[0, 1005, 1005], [10000, 2001, 0]], np.uint16)
    folder = tmp_path / "instances" / "0009"
    folder.mkdir(parents=True)
    Image.fromarray(values).save(folder / "000052.png")
    assert recognised(tmp_path) == "mots-png"
    (clip,) = read_clips(tmp_path, "mots-png")
    assert clip.frames[0].label().tolist() == [[0, 5, 5], [255, 1, 0]]
    assert clip.categories == {5: "car", 1: "pedestrian"}


def test_one_number_in_two_classes_is_two_objects(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "a.txt"
    path.write_text("0 1001 1 2 3 231\n0 2001 2 2 3 024\n")
    assert read_clips(path, "mots")[0].frames[0].label().tolist() == [[2, 1, 1], [2, 1, 0]]
    assert "numbered anew" in caplog.text
