"""Whose a pixel is, against torch's interpolation and arg-max, and against the kernels where these decide."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ermu.kernels.numpy.pixels import NumpyPixels
from ermu.runtime.memory.objects.deciding import decided, probabilities

HW = (90, 160)


def _logits(count):
    return np.random.default_rng(count).normal(-1.0, 2.0, (count, 16, 16)).astype(np.float32)


def _large(logits):
    size = {"size": HW, "mode": "bilinear", "align_corners": False}
    return torch.nn.functional.interpolate(torch.from_numpy(logits).double()[None], **size)[0]


@pytest.mark.parametrize("count", [1, 10, 24])
def test_the_largest_logit_above_0_has_the_pixel(count):
    logits, ids = _logits(count), list(range(40, 40 + count))
    everyone = torch.cat([torch.zeros(1, *HW, dtype=torch.float64), _large(logits)])
    expected = np.array([0, *ids])[everyone.argmax(dim=0).numpy()]
    label = decided(logits, ids, HW)
    assert (label != expected).mean() < 1e-4, "ties of rounding aside"
    assert len(np.unique(label)) == count + 1
    found = probabilities(logits, ids, HW)
    np.testing.assert_allclose(found.values, everyone.softmax(dim=0).numpy(), atol=1e-5)
    assert found.ids.tolist() == [0, *ids] and np.array_equal(found.label(), label)


def test_of_ten_objects_the_kernels_decide_alike():
    logits = _logits(10)
    beside = np.concatenate([np.zeros((1, 16, 16), np.float32), logits])[None]
    source, network = np.empty(HW, np.uint8), np.empty((1, 64, 64), np.uint8)
    NumpyPixels().label_map(beside, np.ones((1, 11), bool), source, network, align_corners=False)
    assert (decided(logits, range(1, 11), HW) != source).mean() < 1e-4
