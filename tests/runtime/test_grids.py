"""A network on either grid: the runtime with its kernels against the loop in torch that training has."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ermu.export.network.network import SegmentationNetwork
from ermu.export.network.spec import network_spec
from ermu.runtime.bundle.manifest import EXTERNAL_ATTENTION, WHOLE
from ermu.runtime.segmenter import Segmenter
from ermu.training.validation import segment
from tests.support.torch_backend import TorchBackend
from tests.support.zoo.run import unwritten_bundle

SOURCE = (100, 150)
INPUT = {True: (97, 145), False: (96, 144)}


@pytest.mark.parametrize("plan", [WHOLE, EXTERNAL_ATTENTION])
@pytest.mark.parametrize("align_corners", [True, False])
def test_the_loop_is_torchs(align_corners, plan, tmp_path):
    torch.manual_seed(3)
    changes = {"width": 64, "heads": 2, "key_width": 64, "feedforward": 128, "decoder_width": 64}
    spec = network_spec("aott", name="narrow", align_corners=align_corners, **changes)
    network = SegmentationNetwork(spec).eval().requires_grad_(False)
    network.decoder.conv_out.weight.mul_(20)  # so that few pixels nearly tie
    draw = np.random.default_rng(4)
    frames = list(np.kron(draw.integers(0, 256, (8, 10, 15, 3)), np.ones((1, 10, 10, 1))).astype(np.uint8))
    label = np.zeros(SOURCE, np.uint8)
    label[20:60, 30:80], label[50:90, 90:140] = 1, 2
    expected = segment(network, [frame[..., ::-1] for frame in frames], label)
    bundle = unwritten_bundle(network, tmp_path)
    with Segmenter(bundle, policy="fifo", backend=TorchBackend(bundle, network, plan)) as segmenter:
        segmenter.start(frames[0], label)
        found = [segmenter.step(frame).label for frame in frames[1:]]
        h4, w4 = segmenter.logits().shape[2:]
    assert len({tuple(np.bincount(each.ravel(), minlength=3)) for each in found}) > 1
    assert np.mean(np.array(found) == np.array(expected[1:])) > 0.9995
    height, width = INPUT[align_corners]
    assert (h4, w4) == (-(-height // 4), -(-width // 4))
