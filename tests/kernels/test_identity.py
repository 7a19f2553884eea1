"""The identity embedding against the convolution that it replaces, in float64."""

from __future__ import annotations

import numpy as np
import pytest

from ermu.errors import KernelError
from ermu.kernels.base.attention import load_attention
from ermu.kernels.base.identity import IdentityEmbedding

pytestmark = pytest.mark.skipif(load_attention() is None, reason="the CPU kernels are not compiled here")


def _convolved(label, weight, bias):
    """Direct sums over every filter tap that lies on the map and has a label of 0..10."""
    h, w = ((side - 1) // 16 + 1 for side in label.shape)
    out = np.tile(bias.astype(np.float64), (h, w, 1))
    for y in range(h):
        for x in range(w):
            for ky in range(17):
                for kx in range(17):
                    py, px = 16 * y - 8 + ky, 16 * x - 8 + kx
                    inside = 0 <= py < label.shape[0] and 0 <= px < label.shape[1]
                    if inside and label[py, px] <= 10:
                        out[y, x] += weight[:, label[py, px], ky, kx]
    return out


@pytest.mark.parametrize("kind", ["noise", "blocks", "one label", "ignore"])
@pytest.mark.parametrize("threads", [1, 2])
def test_it_is_the_convolution(kind, threads):
    rng = np.random.default_rng(5)
    weight, bias = rng.standard_normal((9, 12, 17, 17)).astype("f"), rng.standard_normal(9).astype("f")
    shape = (49, 81)
    label = {
        "noise": rng.integers(0, 256, shape),
        "blocks": np.kron(rng.integers(0, 11, (7, 9)), np.ones((7, 9), int)),
        "one label": np.full(shape, 10),
        "ignore": np.full(shape, 255),
    }[kind].astype(np.uint8)
    out = np.full((4, 6, 9), np.nan, np.float32)
    IdentityEmbedding(weight, bias, threads=threads).embed(label, out)
    np.testing.assert_allclose(out, _convolved(label, weight, bias), atol=2e-4, rtol=1e-5)


def test_what_does_not_fit_is_named():
    embedding = IdentityEmbedding(np.zeros((4, 12, 17, 17), "f"), np.zeros(4, "f"))
    with pytest.raises(KernelError, match=r"does not fill tokens \(2, 2, 4\)"):
        embedding.embed(np.zeros((33, 33), np.uint8), np.zeros((2, 2, 4), "f"))
    with pytest.raises(KernelError, match="identity weights"):
        IdentityEmbedding(np.zeros((4, 12, 17, 16), "f"), np.zeros(4, "f"))
