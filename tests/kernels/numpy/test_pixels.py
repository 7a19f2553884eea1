"""The oracle of the pixel work, against OpenCV, numpy and cases worked by hand."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from ermu.errors import KernelError
from ermu.kernels.loading import numpy_kernels
from ermu.kernels.numpy.pixels import nearest_taps
from ermu.runtime.images.masks import extents
from tests.kernels.calls import Caller
from tests.kernels.frame_cases import (
    ANTIALIASED_SIZES,
    EXACT_SIZES,
    antialiased_frames_are_torchs,
    cubic_frame,
)
from tests.kernels.kernel_cases import Event
from tests.kernels.survey_cases import drawn, two_groups_by_hand

ORACLE = Caller(numpy_kernels())


@pytest.mark.parametrize("source_hw", [(180, 320), (177, 321), (1, 7)])
def test_golden_labels(event: Event, source_hw: tuple[int, int]) -> None:
    """One group's labels are the arg-max of an interpolation done pixel by pixel, independently."""
    logits = event.logits.astype(np.float64)
    y = np.linspace(0, logits.shape[1] - 1, source_hw[0]) if source_hw[0] > 1 else np.zeros(1)
    x = np.linspace(0, logits.shape[2] - 1, source_hw[1])
    across = np.stack(
        [[np.interp(x, np.arange(logits.shape[2]), row) for row in channel] for channel in logits]
    )
    up = np.stack(
        [np.stack([np.interp(y, np.arange(logits.shape[1]), c) for c in channel.T]).T for channel in across]
    )
    source, network = ORACLE.label_map(
        logits[None].astype(np.float32), np.ones((1, 11), bool), source_hw, (65, 129)
    )
    assert (source == up.argmax(axis=0)).mean() > 0.9999
    expected = cv2.resize(source, (129, 65), interpolation=cv2.INTER_NEAREST)
    np.testing.assert_array_equal(network[0], expected)


@pytest.mark.parametrize("source_hw", [(180, 320), (5, 9), (1, 7)])
def test_half_pixel_labels_are_those_of_opencvs_resize(source_hw: tuple[int, int]) -> None:
    """Without aligned corners: cv2.INTER_LINEAR, which has half-pixel centres, in double precision."""
    logits = np.random.default_rng(3).standard_normal((11, 12, 20))
    size = source_hw[::-1]
    up = np.stack([cv2.resize(channel, size, interpolation=cv2.INTER_LINEAR) for channel in logits])
    single, active = logits[None].astype(np.float32), np.ones((1, 11), bool)
    source, network = ORACLE.label_map(single, active, source_hw, (48, 80), align_corners=False)
    assert (source == up.argmax(axis=0)).mean() > 0.999
    aligned, _ = ORACLE.label_map(single, active, source_hw, (48, 80))
    assert (source != aligned).mean() > 0.05
    expected = cv2.resize(source, (80, 48), interpolation=cv2.INTER_NEAREST)
    np.testing.assert_array_equal(network[0], expected)


def test_silenced_identity_never_appears() -> None:
    logits = np.zeros((1, 11, 5, 5), dtype=np.float32)
    logits[0, 7] = 9.0
    logits[0, 3] = 1.0
    active = np.ones((1, 11), dtype=np.bool_)
    active[0, 7] = False
    assert set(np.unique(ORACLE.label_map(logits, active, (9, 9), (17, 17))[0])) == {3}


def test_groups_are_merged_by_probability() -> None:
    """Group 0 gives id 2 probability 0.5; group 1 gives its id 4 0.6; the background is 0.5 * 0.4."""
    logits = np.full((2, 11, 2, 2), -40.0, dtype=np.float32)
    logits[0, [0, 2]] = np.log(0.5)
    logits[1, 0], logits[1, 4] = np.log(0.4), np.log(0.6)
    source, network = ORACLE.label_map(logits, np.ones((2, 11), dtype=np.bool_), (3, 3), (3, 3))
    assert set(np.unique(source)) == {14}
    assert set(np.unique(network[0])) == {0} and set(np.unique(network[1])) == {4}
    logits[1, 0], logits[1, 4] = np.log(0.99), np.log(0.01)
    source, network = ORACLE.label_map(logits, np.ones((2, 11), dtype=np.bool_), (3, 3), (3, 3))
    assert set(np.unique(source)) == {2}


def test_nearest_is_opencvs() -> None:
    line = np.arange(2000, dtype=np.float32)[None]
    for inputs in (1, 7, 320, 640, 853, 1920):
        for outputs in (1, 16, 49, 321, 641, 913):
            expected = cv2.resize(line[:, :inputs], (outputs, 1), interpolation=cv2.INTER_NEAREST)
            np.testing.assert_array_equal(nearest_taps(outputs, inputs), expected[0])


def test_frame_is_resized_and_turned_to_rgb() -> None:
    frame = np.zeros((8, 8, 3), dtype=np.uint8)
    frame[..., 0], frame[..., 2] = 10, 200
    assert ORACLE.prepare_frame(frame, (17, 33))[5, 5].tolist() == [200, 0, 10]


@pytest.mark.parametrize("sizes", EXACT_SIZES)
def test_exact_frame_is_neither_rounded_nor_clipped(sizes: tuple[tuple[int, int], tuple[int, int]]) -> None:
    """OpenCV's IPP places its taps in double precision, which moves a pixel by 0.03 at the very most."""
    frame = np.random.default_rng(6).integers(0, 256, (*sizes[0], 3), dtype=np.uint8)
    found = ORACLE.prepare_frame(frame, sizes[1], np.float32)
    np.testing.assert_allclose(found, cubic_frame(frame, sizes[1]), atol=0.05)
    assert found.min() < 0 and found.max() > 255 and (found != found.round()).any()


@pytest.mark.parametrize("sizes", ANTIALIASED_SIZES)
def test_antialiased_frames_are_torchs(sizes: tuple[tuple[int, int], tuple[int, int]]) -> None:
    antialiased_frames_are_torchs(ORACLE, sizes)


def test_bad_input_is_refused() -> None:
    pixels = ORACLE.kernels.pixels
    logits, active = np.zeros((1, 11, 5, 5), dtype=np.float32), np.ones((1, 11), dtype=np.bool_)
    source, network = np.empty((9, 9), np.uint8), np.empty((1, 17, 17), np.uint8)
    silent = active.copy()
    silent[0, 0] = False
    with pytest.raises(KernelError, match="background"):
        pixels.label_map(logits, silent, source, network, align_corners=True)
    with pytest.raises(KernelError, match="network has shape"):
        pixels.label_map(logits, active, source, np.empty((2, 17, 17), np.uint8), align_corners=True)
    with pytest.raises(KernelError, match="in place"):
        pixels.label_map(logits, active, np.empty((9, 18), np.uint8)[:, ::2], network, align_corners=True)
    many = np.zeros((26, 11, 1, 1), dtype=np.float32)
    networks, channels = np.empty((26, 17, 17), np.uint8), np.ones((26, 11), bool)
    channels[25, 6:] = False
    pixels.label_map(many, channels, source, networks, align_corners=True)
    channels[25, 6] = True
    with pytest.raises(KernelError, match="fit a byte: label 256"):
        pixels.label_map(many, channels, source, networks, align_corners=True)

    with pytest.raises(KernelError, match="BGR"):
        pixels.prepare_frame(np.zeros((9, 9, 4), np.uint8), np.empty((17, 17, 3), np.uint8))
    with pytest.raises(KernelError, match="out"):
        pixels.prepare_frame(np.zeros((9, 9, 3), np.uint8), np.empty((17, 17, 3), np.float64))
    with pytest.raises(KernelError, match="out has shape"):
        pixels.prepare_frame(np.zeros((9, 9, 3), np.uint8), np.empty((17, 17, 1), np.uint8))
    with pytest.raises(KernelError, match=r"(?s)no filter 'lanczos'.*bicubic or antialiased"):
        pixels.prepare_frame(np.zeros((9, 9, 3), np.uint8), np.empty((17, 17, 3), np.uint8), "lanczos")


def test_a_26th_group_has_the_last_labels() -> None:
    logits = np.full((26, 11, 2, 2), -9.0, dtype=np.float32)
    logits[:, 0], logits[25, 5] = 9.0, 30.0
    active = np.ones((26, 11), bool)
    active[25, 6:] = False
    source, network = ORACLE.label_map(logits, active, (3, 3), (3, 3))
    assert set(np.unique(source)) == {255}
    assert set(np.unique(network[25])) == {5} and not network[:25].any()


@pytest.mark.parametrize("align_corners", [True, False])
def test_a_survey_by_hand(align_corners: bool) -> None:
    two_groups_by_hand(ORACLE, align_corners=align_corners)


def test_areas_and_boxes_are_those_of_the_label_map() -> None:
    """Against run lengths in the host's label map, another implementation."""
    logits, active, label, labels = drawn(3, ((45, 81), (180, 320)))
    found, expected = ORACLE.survey(logits, active, label, labels), extents(label)
    shown = np.arange(1, labels)[expected.areas[1:labels] > 0]
    np.testing.assert_array_equal(found[1:, 0], expected.areas[1:labels])
    np.testing.assert_array_equal(found[shown, 1:5], expected.boxes[shown])


@pytest.mark.parametrize(("labels", "dtype"), [(12, np.uint8), (0, np.uint8), (11, np.int32)])
def test_a_survey_of_what_does_not_fit_is_refused(labels: int, dtype: type) -> None:
    logits, active = np.zeros((1, 11, 2, 2), np.float32), np.ones((1, 11), bool)
    with pytest.raises(KernelError):
        ORACLE.survey(logits, active, np.zeros((8, 8), dtype), labels)
