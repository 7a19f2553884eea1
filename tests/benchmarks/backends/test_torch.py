"""The published way of writing attention gives what the network gives."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from ermu.benchmarks.backends.torch import TorchBackend, materialised_attention, published_attention
from ermu.benchmarks.peer import PeerOptions
from ermu.errors import CheckpointError
from ermu.export.graphs import build_graphs
from ermu.export.network.network import SegmentationNetwork
from ermu.export.network.spec import network_spec
from ermu.runtime.bundle.bundle import Bundle
from ermu.runtime.bundle.sizes import Grids, resolve


def test_materialised_attention_is_softmax_of_products() -> None:
    """Against float64 numpy."""
    draw = np.random.default_rng(0)
    query, key, value = (draw.normal(size=(1, 2, n, d)) for n, d in ((5, 4), (9, 4), (9, 6)))
    logits = query @ key.swapaxes(-1, -2) / 2.0
    weights = np.exp(logits - logits.max(-1, keepdims=True))
    expected = weights / weights.sum(-1, keepdims=True) @ value
    found = materialised_attention(*map(torch.from_numpy, (query, key, value)))
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-12)


@pytest.mark.parametrize("family", ["aott", "deaott"])
@torch.no_grad()
def test_published_network_equals_the_fused_one(family: str) -> None:
    widths = {"width": 64, "key_width": 64, "feedforward": 128, "decoder_width": 64}
    widths |= {"heads": 2} if family == "aott" else {"key_width": 32}
    torch.manual_seed(1)
    network = SegmentationNetwork(network_spec(family, name="tiny", **widths)).eval()
    (graph,) = (graph for graph in build_graphs(network) if graph.name == "propagate")
    symbols = {**Grids(65, 97, network.spec.grid).symbols(), "G": 2, "T": 3}
    inputs = [torch.randn(resolve(tensor.shape, symbols)) for tensor in graph.inputs]
    fused = graph.module(*inputs)
    calls = torch.nn.functional.scaled_dot_product_attention
    with published_attention():
        assert torch.nn.functional.scaled_dot_product_attention is materialised_attention
        published = graph.module(*inputs)
    assert torch.nn.functional.scaled_dot_product_attention is calls
    for ours, theirs in zip(published, fused, strict=True):
        torch.testing.assert_close(ours, theirs, atol=2e-5, rtol=1e-5)


def test_another_checkpoint_is_refused(tiny_bundle: Path, synthetic_checkpoint) -> None:
    with pytest.raises(CheckpointError, match="not the checkpoint"):
        TorchBackend(PeerOptions(Bundle.load(tiny_bundle), 1, 4).opening(), synthetic_checkpoint("aott"))
