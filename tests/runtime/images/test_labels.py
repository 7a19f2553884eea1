"""Label maps: PNGs in and out, and ids against channels."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from PIL import Image

from ermu.errors import PromptError, SinkError
from ermu.runtime.images.labels import (
    PALETTE,
    check_prompt,
    in_groups,
    object_ids,
    read_label_map,
    to_channels,
    write_label_map,
)

LABEL = np.array([[0, 1, 2, 255], [7, 7, 0, 254]], np.uint8)


def test_round_trip_keeps_ids_and_davis_colours(tmp_path):
    write_label_map(tmp_path / "l.png", LABEL)
    assert np.array_equal(read_label_map(tmp_path / "l.png"), LABEL)
    with Image.open(tmp_path / "l.png") as image:
        assert image.mode == "P"
        assert image.convert("RGB").getpixel((1, 0)) == (128, 0, 0)  # DAVIS: 1 is dark red, 2 dark green
        assert image.convert("RGB").getpixel((2, 0)) == (0, 128, 0)
    assert PALETTE[7].tolist() == [128, 128, 128]


@pytest.mark.parametrize("mode", ["L", "P", "I;16"])
def test_single_channel_modes_are_read_as_ids(tmp_path, mode):
    image = Image.fromarray(LABEL.astype(np.uint16) if mode == "I;16" else LABEL)
    image.save(tmp_path / "l.png")
    assert np.array_equal(read_label_map(tmp_path / "l.png"), LABEL)


def test_refusals(tmp_path):
    with pytest.raises(PromptError, match="no label map at"):
        read_label_map(tmp_path / "none.png")
    (tmp_path / "text.png").write_text("hello")
    with pytest.raises(PromptError, match="cannot be read as an image"):
        read_label_map(tmp_path / "text.png")
    Image.new("RGB", (4, 4), (10, 20, 30)).save(tmp_path / "colour.png")
    with pytest.raises(PromptError, match="colour image"):
        read_label_map(tmp_path / "colour.png")
    Image.fromarray(np.full((2, 2), 300, np.uint16)).save(tmp_path / "large.png")
    with pytest.raises(PromptError, match="holds the id 300"):
        read_label_map(tmp_path / "large.png")


def test_a_failed_write_leaves_the_old_file(tmp_path):
    with pytest.raises(SinkError, match="Cannot write"):
        write_label_map(tmp_path / "no such folder" / "l.png", LABEL)
    assert list(tmp_path.iterdir()) == []


def test_ids_and_groups():
    assert object_ids(LABEL) == [1, 2, 7, 254]
    assert in_groups(list(range(1, 23))) == [list(range(1, 11)), list(range(11, 21)), [21, 22]]


def test_channels_of_a_group():
    # nearest with floor: columns 0 and 2 of 4, row 0 of 2
    assert to_channels(LABEL, [7, None, 2], (1, 2)).tolist() == [[0, 3]]
    assert to_channels(LABEL, [7, None, 2], (2, 4)).tolist() == [[0, 0, 3, 255], [1, 1, 0, 0]]


def test_a_label_map_read_by_opencv_is_told_how_to_be_read(tmp_path):
    write_label_map(tmp_path / "l.png", LABEL)
    with pytest.raises(PromptError, match="colours of a palette PNG") as caught:
        check_prompt(cv2.imread(str(tmp_path / "l.png")), LABEL.shape)
    assert "ermu.read_label_map" in str(caught.value.fix)
    photograph = np.random.default_rng(0).integers(0, 256, (*LABEL.shape, 3), np.uint8)
    with pytest.raises(PromptError, match=r"\(2, 4, 3\): colours, not object ids"):
        check_prompt(photograph, LABEL.shape)
