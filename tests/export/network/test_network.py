"""The torch networks against the published network's golden results."""

from __future__ import annotations

import pytest

from ermu.export.checkpoint import load_checkpoint
from ermu.export.network.recognition import build_network
from ermu.export.network.spec import network_spec
from ermu.runtime.bundle.bundle import Bundle
from ermu.runtime.bundle.manifest import EXTERNAL_ATTENTION, WHOLE
from ermu.runtime.segmenter import Segmenter
from tests.support.golden_data import CLIPS, load_golden
from tests.support.golden_run import compare
from tests.support.torch_backend import TorchBackend


@pytest.fixture
def clip(request):
    return load_golden(request.param)


def clips(*, long: bool):
    """Golden clips as a parameter; those of many frames, where that is asked for, only with `-m long`."""
    marks = pytest.mark.long if long else ()
    return [pytest.param(name, marks=marks if name.endswith("_long") else ()) for name in CLIPS]


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


@pytest.mark.parametrize("clip", clips(long=False), indirect=True)
def test_golden_masks_fed_back(clip, opened):
    _golden_masks(opened(clip, WHOLE), clip)


@pytest.mark.parametrize("clip", clips(long=True), indirect=True)
def test_golden_masks_fed_back_with_attention_outside(clip, opened):
    _golden_masks(opened(clip, EXTERNAL_ATTENTION), clip)


def _golden_masks(segmenter, clip):
    found = compare(segmenter, clip, golden_masks=True)
    assert found.logits < 1e-4
    assert found.same_memory
    assert found.scores < 1e-4
    assert found.relevance_mean < 1e-4


@pytest.mark.parametrize("clip", clips(long=True), indirect=True)
def test_own_masks_fed_back(clip, opened):
    found = compare(opened(clip, WHOLE), clip, golden_masks=False)
    assert found.equal_pixels >= 0.998
    assert found.same_memory
