"""The pixel work in C++, on every instruction set of this processor, against the oracle."""

from __future__ import annotations

import numpy as np
import pytest

from ermu.errors import KernelError
from ermu.kernels.loading import numpy_kernels
from tests.kernels.calls import Caller
from tests.kernels.cpu.compiled import ISAS, compiled, needs_compiler
from tests.kernels.frame_cases import (
    ANTIALIASED_SIZES,
    EXACT_SIZES,
    antialiased_frames_are_torchs,
    cubic_frame,
)
from tests.kernels.kernel_cases import random_logits
from tests.kernels.survey_cases import SIZES, drawn, two_groups_by_hand

pytestmark = needs_compiler

ORACLE = Caller(numpy_kernels())


@pytest.fixture(params=ISAS)
def cpu(request: pytest.FixtureRequest) -> Caller:
    return Caller(compiled(request.param))


@pytest.mark.parametrize("align_corners", [True, False])
@pytest.mark.parametrize("groups", [1, 3, 25, 26])
@pytest.mark.parametrize(
    "sizes", [((45, 81), (180, 320)), ((12, 70), (5, 3)), ((1, 1), (4, 9)), ((9, 9), (1, 1))]
)
def test_labels_are_the_oracles(
    cpu: Caller, groups: int, sizes: tuple[tuple[int, int], tuple[int, int]], align_corners: bool
) -> None:
    logits, active = random_logits(groups, *sizes[0])
    arguments = logits, active, sizes[1], (33, 49)
    source, network = cpu.label_map(*arguments, align_corners=align_corners)
    expected, expected_network = ORACLE.label_map(*arguments, align_corners=align_corners)
    assert (source != expected).mean() < 1e-4, "only ties may fall another way"
    assert (network != expected_network).mean() < 1e-3


def test_frames_are_opencvs(cpu: Caller) -> None:
    frame = np.random.default_rng(5).integers(0, 256, (50, 77, 3), dtype=np.uint8)
    for size in ((33, 49), (81, 97), (50, 77)):
        np.testing.assert_array_equal(cpu.prepare_frame(frame, size), ORACLE.prepare_frame(frame, size))


@pytest.mark.parametrize("sizes", EXACT_SIZES)
def test_exact_frames_are_the_cubics(cpu: Caller, sizes: tuple[tuple[int, int], tuple[int, int]]) -> None:
    frame = np.random.default_rng(6).integers(0, 256, (*sizes[0], 3), dtype=np.uint8)
    found = cpu.prepare_frame(frame, sizes[1], np.float32)
    np.testing.assert_allclose(found, cubic_frame(frame, sizes[1]), atol=1e-3)
    np.testing.assert_array_equal(found, cpu.prepare_frame(frame[::-1][::-1], sizes[1], np.float32))


@pytest.mark.parametrize("sizes", ANTIALIASED_SIZES)
def test_antialiased_frames_are_torchs(cpu: Caller, sizes: tuple[tuple[int, int], tuple[int, int]]) -> None:
    antialiased_frames_are_torchs(cpu, sizes)


def test_not_a_number_is_refused_where_it_counts(cpu: Caller) -> None:
    logits, active = random_logits(2, 9, 13)
    active[1, 4] = False
    logits[1, 4, 2, 2] = np.nan
    cpu.label_map(logits, active, (9, 13), (17, 17))
    active[1, 4] = True
    with pytest.raises(KernelError, match="not a number"):
        cpu.label_map(logits, active, (9, 13), (17, 17))


@pytest.mark.parametrize("align_corners", [True, False])
def test_a_survey_by_hand(cpu: Caller, align_corners: bool) -> None:
    two_groups_by_hand(cpu, align_corners=align_corners)


@pytest.mark.parametrize("align_corners", [True, False])
@pytest.mark.parametrize("groups", [1, 3, 26])
@pytest.mark.parametrize("sizes", SIZES)
def test_surveys_are_the_oracles(
    cpu: Caller, groups: int, sizes: tuple[tuple[int, int], tuple[int, int]], align_corners: bool
) -> None:
    case = drawn(groups, sizes)
    found = cpu.survey(*case, align_corners=align_corners)
    expected = ORACLE.survey(*case, align_corners=align_corners)
    np.testing.assert_array_equal(found[:, :6], expected[:, :6])
    np.testing.assert_allclose(found[:, 6], expected[:, 6], rtol=1e-5)
