"""The quick look at accuracy: J by hand, and a frame loop that carries a label map along."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ermu.export.network.network import SegmentationNetwork
from ermu.export.network.spec import network_spec
from ermu.training.validation import jaccards, segment


def test_jaccard_by_hand() -> None:
    """Of four frames the middle two count; object 2 vanishes in the third and is rightly not found."""
    truth = [np.array([[1, 1, 2, 0]], np.uint8)] * 2 + [np.array([[1, 1, 0, 0]], np.uint8)] * 2
    found = [truth[0], np.array([[1, 2, 2, 1]], np.uint8), np.array([[1, 0, 0, 0]], np.uint8), truth[3]]
    assert jaccards(truth, found) == pytest.approx(np.array([[1 / 3, 1 / 2], [1 / 2, 1.0]]))


def test_labels_have_the_source_size_and_known_ids() -> None:
    torch.manual_seed(0)
    spec = network_spec(
        "aott",
        encoder="efficientnet_lite0",
        width=32,
        heads=1,
        key_width=32,
        feedforward=32,
        decoder_width=16,
    )
    network = SegmentationNetwork(spec).eval()
    frames = list(np.random.default_rng(0).integers(0, 255, (8, 60, 90, 3), dtype=np.uint8))
    label = np.zeros((60, 90), np.uint8)
    label[10:30, 20:50], label[40:50, 60:80] = 3, 7
    labels = segment(network, frames, label, capacity=2)
    assert len(labels) == 8 and (labels[0] == label).all()
    assert all(found.shape == (60, 90) and set(np.unique(found)) <= {0, 3, 7} for found in labels)
