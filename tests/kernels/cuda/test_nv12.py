"""A decoder's picture to the network's input in CUDA, against the oracle."""

from __future__ import annotations

import numpy as np
import pytest

from ermu.devices.gpu import GpuDevice
from ermu.errors import KernelError
from ermu.kernels.base.nv12 import Nv12, bgr_of
from ermu.kernels.base.resampling import FILTERS
from tests.kernels.calls import Caller
from tests.kernels.frame_cases import cubic_frame
from tests.kernels.nv12_cases import KINDS, SIZES, drawn, held


@pytest.mark.parametrize(("matrix", "full_range"), KINDS)
@pytest.mark.parametrize("resampling", FILTERS)
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
@pytest.mark.parametrize("sizes", SIZES)
def test_it_is_what_the_frame_of_its_bgr_is(
    cuda: Caller,
    sizes: tuple[tuple[int, int], tuple[int, int]],
    dtype: type,
    resampling: str,
    matrix: str,
    full_range: bool,
) -> None:
    """By the same taps; single precision may round a level of the BGR picture the other way."""
    picture = drawn(sizes[0], matrix, full_range=full_range, padding=6)
    found = cuda.prepare_nv12(held(cuda, picture), sizes[1], dtype, resampling).astype(np.float64)
    expected = cuda.prepare_frame(bgr_of(picture), sizes[1], dtype, resampling)
    difference = np.abs(found - expected)
    assert difference.max() <= 1.6  # a level, by weights of up to 1.2 in either direction
    assert (difference > 1e-3).mean() < 5e-3


def test_exact_frames_are_the_cubics(cuda: Caller) -> None:
    picture = drawn((50, 76), "bt709", padding=20)
    found = cuda.prepare_nv12(held(cuda, picture), (33, 49), np.float32)
    difference = np.abs(found - cubic_frame(bgr_of(picture), (33, 49)))
    assert (difference > 1e-3).mean() < 5e-3


def test_nothing_is_copied_for_a_steady_picture(cuda: Caller, device: GpuDevice) -> None:
    picture, out = held(cuda, drawn((50, 76))), cuda.held(np.zeros((33, 49, 3), np.float32))
    cuda.kernels.pixels.prepare_nv12(picture, out)
    before = device.uploaded_bytes, device.downloaded_bytes
    cuda.kernels.pixels.prepare_nv12(picture, out)
    assert (device.uploaded_bytes, device.downloaded_bytes) == before


def test_a_picture_of_the_host_is_refused(cuda: Caller) -> None:
    out = cuda.held(np.zeros((33, 49, 3), np.float32))
    with pytest.raises(KernelError, match=r"(?s)luma is a ndarray.*tensor on the device"):
        cuda.kernels.pixels.prepare_nv12(drawn((50, 76)), out)
    on_device = held(cuda, drawn((50, 76)))
    with pytest.raises(KernelError, match="50 x 78"):
        cuda.kernels.pixels.prepare_nv12(Nv12(on_device.luma, on_device.chroma, 78), out)
