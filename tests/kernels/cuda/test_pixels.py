"""The pixel work in CUDA against the oracle."""

from __future__ import annotations

import numpy as np
import pytest

from ermu.devices.gpu import GpuDevice
from ermu.errors import KernelError
from ermu.kernels.loading import numpy_kernels
from tests.kernels.calls import Caller
from tests.kernels.frame_cases import (
    ANTIALIASED_SIZES,
    EXACT_SIZES,
    antialiased_frames_are_torchs,
    cubic_frame,
)
from tests.kernels.kernel_cases import random_logits
from tests.kernels.survey_cases import SIZES, drawn, two_groups_by_hand

ORACLE = Caller(numpy_kernels())


@pytest.mark.parametrize("align_corners", [True, False])
@pytest.mark.parametrize("groups", [1, 3])
@pytest.mark.parametrize(
    "sizes", [((12, 21), (45, 80)), ((12, 30), (5, 3)), ((1, 1), (4, 9)), ((9, 9), (1, 1))]
)
@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_labels_are_the_oracles(
    cuda: Caller,
    groups: int,
    sizes: tuple[tuple[int, int], tuple[int, int]],
    dtype: type,
    align_corners: bool,
) -> None:
    logits, active = random_logits(groups, *sizes[0])
    logits = logits.astype(dtype)
    arguments = logits, active, sizes[1], (33, 49)
    source, network = cuda.label_map(*arguments, align_corners=align_corners)
    expected, expected_network = ORACLE.label_map(*arguments, align_corners=align_corners)
    assert (source != expected).mean() < 1e-3, "only ties may fall another way"
    assert (network != expected_network).mean() < 1e-2


@pytest.mark.parametrize("groups", [1, 3])
@pytest.mark.gpu
def test_large_labels_are_the_oracles(cuda: Caller, groups: int) -> None:
    logits, active = random_logits(groups, 89, 161)
    source, network = cuda.label_map(logits, active, (360, 640), (353, 641))
    expected, expected_network = ORACLE.label_map(logits, active, (360, 640), (353, 641))
    assert (source != expected).mean() < 1e-3
    assert (network != expected_network).mean() < 1e-2


@pytest.mark.parametrize("network_hw", [(33, 49), (81, 97), (50, 77), (33, 49)])
def test_frame_is_opencvs(cuda: Caller, network_hw: tuple[int, int]) -> None:
    frame = np.random.default_rng(5).integers(0, 256, (50, 77, 3), dtype=np.uint8)
    expected = ORACLE.prepare_frame(frame, network_hw).astype(np.int16)
    difference = np.abs(cuda.prepare_frame(frame, network_hw) - expected)
    assert difference.max() <= 1, "OpenCV's vector code rounds its last step in floating point"
    assert difference.mean() < 0.06
    on_device = cuda.prepare_frame(cuda.held(frame), network_hw)
    np.testing.assert_array_equal(on_device, cuda.prepare_frame(frame, network_hw))


@pytest.mark.parametrize("sizes", EXACT_SIZES)
def test_exact_frame_is_the_cubics(cuda: Caller, sizes: tuple[tuple[int, int], tuple[int, int]]) -> None:
    frame = np.random.default_rng(6).integers(0, 256, (*sizes[0], 3), dtype=np.uint8)
    found = cuda.prepare_frame(frame, sizes[1], np.float32)
    np.testing.assert_allclose(found, cubic_frame(frame, sizes[1]), atol=1e-3)


@pytest.mark.parametrize("sizes", ANTIALIASED_SIZES)
def test_antialiased_frames_are_torchs(cuda: Caller, sizes: tuple[tuple[int, int], tuple[int, int]]) -> None:
    antialiased_frames_are_torchs(cuda, sizes)


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_a_steady_frame_uploads_the_frame_alone(cuda: Caller, device: GpuDevice, dtype: type) -> None:
    frame = np.zeros((50, 77, 3), dtype=np.uint8)
    logits, active = random_logits(2, 9, 13)
    held, out = cuda.held(logits), cuda.held(np.zeros((33, 49, 3), dtype))
    maps = cuda.held(np.zeros((50, 77), np.uint8)), cuda.held(np.zeros((2, 33, 49), np.uint8))
    for _ in range(2):
        before = device.uploaded_bytes, device.downloaded_bytes
        cuda.kernels.pixels.prepare_frame(frame, out)
        cuda.kernels.pixels.label_map(held, active, *maps, align_corners=True)
    assert (device.uploaded_bytes, device.downloaded_bytes) == (before[0] + frame.nbytes, before[1])


def test_a_logit_that_is_no_number_is_reported(cuda: Caller) -> None:
    logits, active = random_logits(2, 9, 13)
    active[1, 4] = False
    logits[1, 4, 2, 2] = np.nan
    cuda.label_map(logits, active, (9, 13), (17, 17))
    active[1, 4] = True
    with pytest.raises(KernelError, match="logits"):
        cuda.label_map(logits, active, (9, 13), (17, 17))
    cuda.kernels.check_faults()


@pytest.mark.parametrize("align_corners", [True, False])
def test_a_survey_by_hand(cuda: Caller, align_corners: bool) -> None:
    two_groups_by_hand(cuda, align_corners=align_corners)


@pytest.mark.parametrize("align_corners", [True, False])
@pytest.mark.parametrize("groups", [1, 3, 26])
@pytest.mark.parametrize("sizes", SIZES)
def test_surveys_are_the_oracles(
    cuda: Caller, groups: int, sizes: tuple[tuple[int, int], tuple[int, int]], align_corners: bool
) -> None:
    case = drawn(groups, sizes)
    found = cuda.survey(*case, align_corners=align_corners)
    expected = ORACLE.survey(*case, align_corners=align_corners)
    np.testing.assert_array_equal(found[:, :6], expected[:, :6])
    np.testing.assert_allclose(found[:, 6], expected[:, 6], rtol=1e-5)


def test_a_survey_in_half_precision(cuda: Caller) -> None:
    logits, *case = drawn(3, ((45, 81), (180, 320)))
    half = logits.astype(np.float16)
    found, expected = cuda.survey(half, *case), ORACLE.survey(half, *case)
    np.testing.assert_array_equal(found[:, :6], expected[:, :6])
    np.testing.assert_allclose(found[:, 6], expected[:, 6], rtol=1e-5)
