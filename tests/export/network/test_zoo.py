"""The zoo's networks in torch against the published code's golden runs, through the runtime's loop."""

from __future__ import annotations

import numpy as np
import pytest

from ermu.kernels.numpy.scoring import NumpyScoring
from ermu.runtime.bundle.manifest import EXTERNAL_ATTENTION, WHOLE
from ermu.runtime.memory.options import MemoryOptions
from tests.support.torch_backend import TorchBackend
from tests.support.zoo.data import load_zoo, networks
from tests.support.zoo.run import run_zoo, torch_network


@pytest.fixture(scope="module", params=networks("aott", "deaott"))
def opened(request, tmp_path_factory):
    clip = load_zoo(request.param)
    bundle, network = torch_network(clip.name, tmp_path_factory.mktemp(clip.name))
    return clip, bundle, network


@pytest.mark.parametrize("plan", [WHOLE, EXTERNAL_ATTENTION])
def test_golden_masks_fed_back(opened, plan):
    clip, bundle, network = opened
    run = run_zoo(TorchBackend(bundle, network, plan), clip, masks=clip.masks)
    assert run.held == clip.memory_frames
    for frame, logits in clip.logits.items():
        assert np.abs(run.logits[frame] - logits).max() < 5e-5
    tokens = run.z[0].reshape(run.z.shape[1], -1).T
    assert np.abs(tokens[:, -clip.lstt_frame7.shape[1] :] - clip.lstt_frame7).max() < 3e-4


def test_the_weak_run(opened):
    """Where the decoder hears little of the encoder, logits and label maps are the propagation's."""
    clip, bundle, network = opened
    run = run_zoo(TorchBackend(bundle, network, WHOLE), clip, masks=clip.weak_masks, weak=True)
    assert np.abs(run.logits[7] - clip.weak_logits7).max() < 3e-4
    assert np.mean(np.array(run.labels) == clip.weak_masks) > 0.9999


def test_closed_loop_block_0_and_masses(opened):
    """The first block's output, and the attention masses that ERMU scores frames by."""
    clip, bundle, network = opened
    blocks, matched = [], []
    hooks = (
        network.LSTT.layers[0].register_forward_hook(lambda module, given, out: blocks.append(out[0])),
        network.LSTT.register_forward_hook(lambda module, given, out: matched.append((given[2], out[1]))),
    )
    run = run_zoo(TorchBackend(bundle, network, WHOLE), clip)
    for hook in hooks:
        hook.remove()
    assert np.mean(np.array(run.labels) == clip.masks) >= 0.999
    assert np.abs(blocks[0][0].numpy() - clip.block0_frame1).max() < 4e-4
    if clip.mass_frame7 is not None:
        long, carries = matched[6]
        keys, masses = long[0][0][0].numpy(), np.empty_like(clip.mass_frame7)
        rows = np.zeros((len(keys), keys.shape[2]), np.float32)
        query = carries[0].key[0].numpy()
        NumpyScoring().frame_masses(query, keys, rows, masses, heads=network.spec.heads)
        assert np.abs(masses - clip.mass_frame7).max() < 1e-4


def test_ermu_evicts_as_the_float64_oracle(opened):
    """The plug-in on a network without temporal rows: our kernels between graphs, and the oracle's."""
    clip, bundle, network = opened
    memory = MemoryOptions("ermu", capacity=4, gap=1)
    ours, oracle = (
        run_zoo(TorchBackend(bundle, network, plan, kernels), clip, masks=clip.weak_masks, memory=memory)
        for plan, kernels in ((EXTERNAL_ATTENTION, "cpu"), (WHOLE, "numpy"))
    )
    evicted = [update.evicted for update in oracle.updates]
    assert [update.evicted for update in ours.updates] == evicted
    assert sum(frame is not None for frame in evicted) == 4
    for mine, exact in zip(ours.updates, oracle.updates, strict=True):
        if exact.evicted is not None:
            assert np.abs(mine.decision.scores - exact.decision.scores).max() < 1e-4
            assert np.abs(mine.decision.relevance_mean - exact.decision.relevance_mean).max() < 1e-5
