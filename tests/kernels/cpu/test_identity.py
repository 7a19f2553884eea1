"""The C++ identity embedding against the oracle."""

from __future__ import annotations

import numpy as np
import pytest

from ermu.kernels.loading import load_kernels, numpy_kernels
from tests.kernels.calls import Caller
from tests.kernels.cpu.compiled import needs_compiler
from tests.kernels.identity_cases import LABELS, SHAPES, label_map, weights

pytestmark = needs_compiler


@pytest.mark.parametrize("side", SHAPES)
@pytest.mark.parametrize("name", LABELS)
@pytest.mark.parametrize("threads", [1, 2])
def test_it_is_the_oracles(name: str, threads: int, side: int) -> None:
    weight, bias = weights(9, side)
    label = label_map(name, side)
    out = Caller(load_kernels(name="cpu", threads=threads)).embed(weight, bias, label)
    np.testing.assert_allclose(out, Caller(numpy_kernels()).embed(weight, bias, label), atol=2e-4, rtol=1e-5)
