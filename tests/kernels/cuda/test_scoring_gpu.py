"""The fatbin on a real GPU, through pycuda, against the oracle."""

from __future__ import annotations

import numpy as np
import pytest

from ermu.errors import ErmuError
from ermu.kernels.cuda.scoring import CudaKernels
from ermu.kernels.numpy.scoring import ReferenceKernels, redundancy_direct
from tests.kernels.kernel_cases import (
    ADVERSARIAL,
    CONSTANTS,
    HEADS,
    Scoring,
    load_event,
    random_logits,
    random_scoring,
)

pytestmark = pytest.mark.gpu

ORACLE = ReferenceKernels()
SHAPES = [(1, 1, 1, 32), (9, 943, 8, 32), (32, 131, 8, 32), (9, 943, 1, 128), (3, 8160, 8, 32)]


@pytest.fixture(scope="module")
def cuda() -> CudaKernels:
    try:
        return CudaKernels()
    except ErmuError as error:
        pytest.skip(f"no CUDA kernels here: {error}")


def assert_masses(kernels: CudaKernels, case: Scoring) -> None:
    masses = kernels.frame_masses(case.query, case.keys, case.rows, heads=case.heads)
    expected = ORACLE.frame_masses(case.query, case.keys, case.rows, heads=case.heads)
    np.testing.assert_allclose(masses, expected, rtol=1e-5, atol=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_masses_are_the_oracles(cuda: CudaKernels, shape: tuple[int, int, int, int], dtype: type) -> None:
    assert_masses(cuda, random_scoring(*shape, dtype=dtype))


@pytest.mark.parametrize("name", ADVERSARIAL)
def test_adversarial_masses(cuda: CudaKernels, name: str) -> None:
    assert_masses(cuda, ADVERSARIAL[name]())


@pytest.mark.parametrize("precision", ["exact", "int8"])
@pytest.mark.parametrize("number", [0, 1, 9])
@pytest.mark.parametrize("model", HEADS)
def test_golden_eviction(cuda: CudaKernels, model: str, number: int, precision: str) -> None:
    kernels, event = CudaKernels(precision=precision), load_event(model, number)  # type: ignore[arg-type]
    rows = np.random.default_rng(0).normal(size=(4, event.keys.shape[2])).astype(np.float32)
    plain = event.keys - rows[:, None]
    relevance = kernels.relevance(event.query, plain, rows, event.foreground, heads=HEADS[model])
    gram = kernels.key_gram(1, plain.shape[2])
    for slot in range(4):
        gram.update(slot, plain)
    redundancy = gram.redundancy(rows)
    np.testing.assert_allclose(redundancy, redundancy_direct(event.keys), atol=1e-4)
    eviction = kernels.choose_eviction(relevance, redundancy, event.previous, np.arange(4), CONSTANTS[model])
    assert event.held[eviction.slot] == event.dropped


@pytest.mark.parametrize("groups", [1, 3])
@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_labels_are_the_oracles(cuda: CudaKernels, groups: int, dtype: type) -> None:
    logits, active = random_logits(groups, 89, 161)
    logits = logits.astype(dtype)
    maps = cuda.label_from_logits(logits, active, (360, 640), (353, 641))
    expected = ORACLE.label_from_logits(logits, active, (360, 640), (353, 641))
    assert (maps.source != expected.source).mean() < 1e-3
    assert (maps.network != expected.network).mean() < 1e-2
    foreground = cuda.foreground(logits[0], active[0])
    np.testing.assert_allclose(foreground, ORACLE.foreground(logits[0], active[0]), atol=1e-5)


def test_frame_is_opencvs(cuda: CudaKernels) -> None:
    frame = np.random.default_rng(5).integers(0, 256, (360, 640, 3), dtype=np.uint8)
    expected = ORACLE.prepare_frame(frame, (353, 641)).astype(np.int16)
    assert np.abs(cuda.prepare_frame(frame, (353, 641)) - expected).max() <= 1
