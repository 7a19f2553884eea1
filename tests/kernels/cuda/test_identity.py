"""The CUDA identity embedding against the oracle."""

from __future__ import annotations

import numpy as np
import pytest

from ermu.errors import KernelError
from ermu.kernels.loading import numpy_kernels
from tests.kernels.calls import Caller
from tests.kernels.identity_cases import LABELS, SHAPES, label_map, weights

ORACLE = Caller(numpy_kernels())


@pytest.mark.parametrize("side", SHAPES)
@pytest.mark.parametrize("name", LABELS)
@pytest.mark.parametrize("channels", [9, 130])
def test_it_is_the_oracles(cuda: Caller, name: str, channels: int, side: int) -> None:
    weight, bias = weights(channels, side)
    label = label_map(name, side)
    out, expected = cuda.embed(weight, bias, label), ORACLE.embed(weight, bias, label)
    np.testing.assert_allclose(out, expected, atol=2e-4, rtol=1e-5)


@pytest.mark.gpu
def test_a_large_map(cuda: Caller) -> None:
    weight, bias = weights(256)
    label = np.kron(label_map("blocks"), np.ones((8, 12), np.uint8))[:353, :641]
    label = np.pad(label, [(0, 353 - label.shape[0]), (0, 641 - label.shape[1])])
    np.testing.assert_allclose(
        cuda.embed(weight, bias, label), ORACLE.embed(weight, bias, label), atol=2e-4, rtol=1e-5
    )


def test_what_does_not_fit_is_named(cuda: Caller) -> None:
    embedding = cuda.kernels.identity(*weights(4))
    label, out = cuda.held(np.zeros((33, 33), np.uint8)), cuda.held(np.zeros((2, 2, 4), np.float32))
    with pytest.raises(KernelError, match="does not fill"):
        embedding.embed(label, out)
    with pytest.raises(KernelError, match="on the device"):
        embedding.embed(np.zeros((17, 17), np.uint8), out)
    with pytest.raises(KernelError, match="at most 32"):
        cuda.kernels.identity(np.zeros((4, 12, 33, 33), np.float32), np.zeros(4, np.float32))
