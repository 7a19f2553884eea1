"""The oracle of the identity embedding against sums over every filter tap."""

from __future__ import annotations

import numpy as np
import pytest

from ermu.errors import KernelError
from ermu.kernels.loading import numpy_kernels
from ermu.kernels.numpy.identity import NumpyIdentity
from tests.kernels.calls import Caller
from tests.kernels.identity_cases import LABELS, SHAPES, label_map, weights

PADDINGS = {17: 8, 16: 0}


def _convolved(label, weight, bias):
    """Direct sums over every filter tap that lies on the map and has a label of 0..10."""
    side = weight.shape[2]
    h, w = (-(-length // 16) for length in label.shape)
    out = np.tile(bias.astype(np.float64), (h, w, 1))
    for y in range(h):
        for x in range(w):
            for ky in range(side):
                for kx in range(side):
                    py, px = 16 * y - PADDINGS[side] + ky, 16 * x - PADDINGS[side] + kx
                    inside = 0 <= py < label.shape[0] and 0 <= px < label.shape[1]
                    if inside and label[py, px] <= 10:
                        out[y, x] += weight[:, label[py, px], ky, kx]
    return out


@pytest.mark.parametrize("side", SHAPES)
@pytest.mark.parametrize("name", LABELS)
def test_it_is_the_convolution(name: str, side: int) -> None:
    weight, bias = weights(9, side)
    label = label_map(name, side)
    out = Caller(numpy_kernels()).embed(weight, bias, label)
    np.testing.assert_allclose(out, _convolved(label, weight, bias), rtol=1e-6, atol=1e-6)


def test_what_does_not_fit_is_named() -> None:
    embedding = NumpyIdentity(*weights(4))
    with pytest.raises(KernelError, match=r"does not fill tokens \(2, 2, 4\)"):
        embedding.embed(np.zeros((33, 33), np.uint8), np.zeros((2, 2, 4), np.float32))
    with pytest.raises(KernelError, match="does not fill"):
        embedding.embed(np.zeros((17, 17), np.int32), np.zeros((2, 2, 4), np.float32))
    with pytest.raises(KernelError, match="identity weights"):
        NumpyIdentity(np.zeros((4, 12, 17, 16), np.float32), np.zeros(4, np.float32))
    with pytest.raises(KernelError, match="in place"):
        embedding.embed(np.zeros((17, 33), np.uint8), np.zeros((3, 2, 4), np.float32).transpose(1, 0, 2))
