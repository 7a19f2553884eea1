"""Masks at network size, against torch's own resizing."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ermu.runtime.memory.objects.masks import mask_of, network_mask


@pytest.mark.parametrize("hw", [(270, 480), (64, 64), (40, 30), (65, 200)])
def test_a_mask_is_squeezed_as_upstream_does_it(hw):
    rows, columns = np.mgrid[: hw[0], : hw[1]]
    mask = (rows - hw[0] / 2) ** 2 / 9 + (columns - hw[1] / 3) ** 2 < (min(hw) / 6) ** 2
    given = torch.from_numpy(mask.astype(np.float32))[None, None]
    large = torch.nn.functional.interpolate(given, (64, 64), mode="bilinear", antialias=True)
    expected = (large[0, 0] >= 0.5).numpy()
    np.testing.assert_array_equal(network_mask(mask, (64, 64)), expected)


def test_a_speck_does_not_vanish():
    mask = np.zeros((900, 1600), bool)
    mask[450, 800] = True
    small = network_mask(mask, (64, 64))
    assert small.sum() == 1 and small[32, 32] == 1
    assert not network_mask(np.zeros_like(mask), (64, 64)).any()


def test_the_mask_of_logits_is_upstreams():
    logits = np.random.default_rng(0).normal(size=(16, 16)).astype(np.float32)
    large = torch.nn.functional.interpolate(torch.from_numpy(logits)[None, None], (64, 64), mode="bilinear")
    np.testing.assert_array_equal(mask_of(logits, (64, 64)), (large[0, 0] > 0).numpy())
