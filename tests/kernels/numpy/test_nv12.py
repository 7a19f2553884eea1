"""The oracle's BGR of a decoder's picture, against FFmpeg's and against sums by hand."""

from __future__ import annotations

import numpy as np
import pytest

from ermu.errors import KernelError
from ermu.kernels.base.nv12 import Nv12, bgr_of
from ermu.kernels.base.resampling import FILTERS
from ermu.kernels.loading import numpy_kernels
from tests.kernels.calls import Caller
from tests.kernels.frame_cases import cubic_frame
from tests.kernels.nv12_cases import KINDS, drawn, ffmpegs

ORACLE = Caller(numpy_kernels())


@pytest.mark.parametrize(("matrix", "full_range"), KINDS)
@pytest.mark.parametrize("size_hw", [(48, 64), (66, 130), (270, 480)])
def test_it_is_ffmpegs(size_hw: tuple[int, int], matrix: str, full_range: bool) -> None:
    """Two levels at the most, three in the limited range: FFmpeg cuts off; its last rows are its own."""
    picture = drawn(size_hw, matrix, full_range=full_range, padding=6)
    found, expected = bgr_of(picture).astype(np.int16), ffmpegs(picture).astype(np.int16)
    difference = (found - expected)[:-2]
    assert np.abs(difference).max() <= (2 if full_range else 3)
    assert 0 <= difference.mean() < 1.0


@pytest.mark.parametrize(
    ("yuv", "matrix", "full_range", "bgr"),
    [
        ((16, 128, 128), "bt601", False, (0, 0, 0)),
        ((235, 128, 128), "bt709", False, (255, 255, 255)),
        # R = 255/219 65 + 1.402 255/224 112 = 254.4; G = 75.7 + 0.3441 255/224 38 - 0.7141 255/224 112 = -0.5
        ((81, 90, 240), "bt601", False, (0, 0, 254)),
        # R = 100 + 1.5748 20 = 131.5 less a little; G = 100 - 0.4681 20 = 90.6
        ((100, 128, 148), "bt709", True, (100, 91, 131)),
        # B = 100 + 1.8556 30 = 155.7; G = 100 - 0.1873 30 = 94.4
        ((100, 158, 128), "bt709", True, (156, 94, 100)),
    ],
)
def test_a_pixel_by_hand(
    yuv: tuple[int, int, int], matrix: str, full_range: bool, bgr: tuple[int, int, int]
) -> None:
    luma = np.full((4, 6), yuv[0], np.uint8)
    chroma = np.tile(np.array(yuv[1:], np.uint8), (2, 3))
    found = bgr_of(Nv12(luma, chroma, 6, matrix, full_range))
    assert found.shape == (4, 6, 3)
    assert found[1, 2].tolist() == list(bgr)


def test_chroma_lies_where_ffmpeg_has_it() -> None:
    """One coloured pair, at rows 4 and 5 and columns 2 and 3: a quarter is in columns 0 and 1 already."""
    luma, chroma = np.full((12, 8), 50, np.uint8), np.full((6, 8), 128, np.uint8)
    chroma[2, 3] = 168
    picture = Nv12(luma, chroma, 8, "bt709", True)
    red = bgr_of(picture)[..., 2].astype(int) - 50
    assert red[5].tolist() == [16, 16, 47, 47, 0, 0, 0, 0]  # 1.5748 x 10 and x 30
    assert red[:, 2].tolist() == [0, 0, 0, 0, 24, 47, 24, 0, 0, 0, 0, 0]  # half of that above and below
    assert np.abs(ffmpegs(picture)[..., 2].astype(int) - 50 - red).max() <= 1


@pytest.mark.parametrize("resampling", FILTERS)
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_the_networks_input_is_that_of_its_bgr(dtype: type, resampling: str) -> None:
    picture = drawn((50, 76), "bt709", padding=20)
    found = ORACLE.prepare_nv12(picture, (33, 49), dtype, resampling)
    expected = ORACLE.prepare_frame(bgr_of(picture), (33, 49), dtype, resampling)
    np.testing.assert_array_equal(found, expected)
    if resampling == "bicubic" and dtype is np.float32:
        np.testing.assert_allclose(found, cubic_frame(bgr_of(picture), (33, 49)), atol=0.05)


def test_what_is_no_such_picture_is_refused() -> None:
    luma, chroma = np.zeros((4, 8), np.uint8), np.zeros((2, 8), np.uint8)
    for picture, words in (
        (Nv12(luma[:3], chroma, 8), "3 x 8"),
        (Nv12(luma, chroma, 7), "4 x 7"),
        (Nv12(luma, chroma, 10), "4 x 10"),
        (Nv12(luma, chroma[:1], 8), "chroma has shape"),
        (Nv12(luma.astype(np.uint16), chroma, 8), "luma has dtype"),
        (Nv12(luma, chroma, 8, "bt2020"), r"(?s)bt2020.*bt601 or bt709"),
    ):
        with pytest.raises(KernelError, match=words):
            ORACLE.prepare_nv12(picture, (17, 33))
