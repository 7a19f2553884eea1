"""The torch networks against the published network's golden results."""

from __future__ import annotations

import pytest

from ermu.export.checkpoint import load_checkpoint
from ermu.export.network.recognition import build_network
from ermu.export.network.spec import network_spec
from ermu.runtime.bundle.bundle import Bundle
from ermu.runtime.bundle.manifest import EXTERNAL_ATTENTION, WHOLE
from ermu.runtime.segmenter import Segmenter
from tests.support.golden_data import EXPORTED, LONG_CLIPS, ONLY_LONG, load_golden
from tests.support.golden_run import compare
from tests.support.torch_backend import TorchBackend

PLANS = (WHOLE, EXTERNAL_ATTENTION)
CASES = [
    *((name, plan) for name in ("r50_aotl", "r50_deaotl", "aott") for plan in PLANS),
    *((name, WHOLE) for name in LONG_CLIPS),
    *(pytest.param("deaott", plan, marks=pytest.mark.long) for plan in PLANS),
    *(pytest.param(name, EXTERNAL_ATTENTION, marks=pytest.mark.long) for name in LONG_CLIPS),
]


@pytest.fixture
def opened(bundle, synthetic_checkpoint):
    """A segmenter on the torch network: `opened(clip, plan)`."""

    def segmenter(clip, plan):
        checkpoint = load_checkpoint(synthetic_checkpoint(clip.network))
        network = build_network(checkpoint, network_spec(clip.network))
        loaded = Bundle.load(bundle(clip.network))
        options = {"capacity": clip.capacity, "gap": clip.gap, "long_edge": clip.long_edge}
        return Segmenter(loaded, backend=TorchBackend(loaded, network, plan), **options)

    return segmenter


@pytest.mark.parametrize(("name", "plan"), CASES)
def test_golden_masks_fed_back(name, plan, opened):
    clip = load_golden(name)
    found = compare(opened(clip, plan), clip, golden_masks=True)
    assert found.logits < 1e-4
    assert found.same_memory
    assert found.scores < 1e-4
    assert found.relevance_mean < 1e-4


@pytest.mark.parametrize("name", [*EXPORTED, *ONLY_LONG])
def test_own_masks_fed_back(name, opened):
    clip = load_golden(name)
    found = compare(opened(clip, WHOLE), clip, golden_masks=False)
    assert found.equal_pixels >= 0.998
    assert found.same_memory
