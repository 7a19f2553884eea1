"""Memory attention in an order that computes less, against transformers' own in float64."""

from __future__ import annotations

from copy import deepcopy

import pytest
import torch

from ermu.export.transformers_video.attention import memory_attention, single_headed
from ermu.export.transformers_video.memory import Recall
from tests.support.sam2.edgetam import small_edgetam
from tests.support.sam2.network import small_config, small_model

pytest.importorskip("transformers")
MODELS = {"sam2": small_model, "edgetam": small_edgetam}


def drawn(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("family", MODELS)
@pytest.mark.parametrize(("frames", "pointers"), [(1, 1), (7, 16)])
@pytest.mark.parametrize("queries", [512, 24])
@torch.no_grad()
def test_the_result_is_the_published(family, frames, pointers, queries):
    """All layers, with pointers that have no position; at 24 queries a time the last 16 of 64 are fewer."""
    model = MODELS[family]()
    recall = Recall(model)
    for layer in recall.attention.layers:
        layer.self_attn.queries = layer.cross_attn_image.queries = queries
    tokens = len(recall.memory_positions)
    inputs = drawn(128, 8, 8), drawn(frames, tokens, 64, seed=1), drawn(frames, 64, seed=2)
    inputs = *inputs, drawn(pointers, 128, seed=3), torch.arange(1.0, pointers + 1)
    found = recall(*inputs)
    recall.attention = model.memory_attention
    exact = deepcopy(recall).double()
    wanted = exact(*(x.double() for x in inputs))
    assert wanted.std() > 0.1
    torch.testing.assert_close(found.double(), wanted, atol=2e-5, rtol=0)
    torch.testing.assert_close(recall(*inputs).double(), wanted, atol=2e-5, rtol=0)  # what floats differ by


@torch.no_grad()
def test_the_network_is_left_as_it_is():
    model = small_model()
    before = deepcopy(model.memory_attention)
    memory_attention(model, 64)
    assert str(model.memory_attention) == str(before)


def test_several_heads_stay_as_they_are_published():
    model = small_model(small_config(memory_attention_num_attention_heads=2))
    assert not single_headed(model) and memory_attention(model, 64) is model.memory_attention
