"""The exported bundle, through the torch-free runtime, against the published network's golden results."""

from __future__ import annotations

import pytest

from ermu.runtime.segmenter import Segmenter
from tests.support.golden_data import EXPORTED, LONG_CLIPS, ONLY_LONG, load_golden
from tests.support.golden_run import compare


def _segmenter(bundle_path, clip):
    return Segmenter(bundle_path, capacity=clip.capacity, gap=clip.gap, long_edge=clip.long_edge)


@pytest.mark.parametrize("name", [*EXPORTED, *ONLY_LONG])
def test_same_floats_and_masks(name, bundle):
    clip = load_golden(name)
    found = compare(_segmenter(bundle(clip.network), clip), clip, golden_masks=True)
    assert found.logits < 1e-4
    assert found.same_memory
    assert found.scores < 1e-4
    assert found.relevance_mean < 1e-4


@pytest.mark.parametrize("name", [*EXPORTED, *LONG_CLIPS])
def test_same_floats_own_masks(name, bundle):
    clip = load_golden(name)
    found = compare(_segmenter(bundle(clip.network), clip), clip, golden_masks=False)
    assert found.equal_pixels >= 0.998
    assert found.same_memory


@pytest.mark.parametrize("name", ["r50_aotl", "r50_deaotl", *ONLY_LONG])
def test_real_bytes(name, bundle):
    clip = load_golden(name)
    found = compare(_segmenter(bundle(clip.network, "uint8"), clip), clip, golden_masks=False)
    assert found.equal_pixels >= 0.985
    assert found.same_memory
