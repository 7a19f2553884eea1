"""Zoo networks exported and run by the runtime in ONNX Runtime, against the published code's golden runs."""

from __future__ import annotations

import numpy as np
import pytest

from ermu.runtime.backends.loading import open_backend
from ermu.runtime.bundle.manifest import EXTERNAL_ATTENTION, WHOLE
from ermu.runtime.bundle.roles import Role
from ermu.runtime.segmenter import Segmenter
from tests.support.zoo.data import load_zoo, networks
from tests.support.zoo.run import run_zoo, zoo_bundle


@pytest.fixture(scope="module", params=networks("aott"))
def exported(request):
    """A clip, and the bundle of its network."""
    return load_zoo(request.param), zoo_bundle(request.param)


@pytest.mark.parametrize("plan", [WHOLE, EXTERNAL_ATTENTION])
def test_golden_run(exported, plan):
    """Closed loop, golden masks fed back, and the weak run, in which label maps are the propagation's.

    Logits are those with the golden masks: in a closed loop one pixel that ties changes all later ones.
    """
    clip, bundle = exported
    with open_backend(bundle, plan=plan, threads=1) as backend:
        closed = run_zoo(backend, clip)
        run = run_zoo(backend, clip, masks=clip.masks)
        weak = run_zoo(backend, clip, masks=clip.weak_masks, weak=True)
    assert closed.held == run.held == clip.memory_frames
    assert np.mean(np.array(closed.labels) == clip.masks) >= 0.999
    for frame, logits in clip.logits.items():
        assert np.abs(run.logits[frame] - logits).max() < 1e-4
    tokens = run.z[0].reshape(run.z.shape[1], -1).T
    assert np.abs(tokens[:, -clip.lstt_frame7.shape[1] :] - clip.lstt_frame7).max() < 1e-3
    assert np.abs(weak.logits[7] - clip.weak_logits7).max() < 1e-3


def test_the_bundle_has_the_published_memory_and_takes_another(exported):
    clip, bundle = exported
    manifest = bundle.manifest
    assert manifest.network.name == f"zoo_{clip.name}"
    assert (manifest.memory.policy, manifest.memory.gap) == ("none", clip.default_gap)
    assert manifest.memory.gap_for(3000) == clip.default_gap
    assert bundle.temporal_rows().shape == (0, manifest.network.key_width)
    assert bundle.identity_weights()[0].shape[1] == 11
    read = [t for t in manifest.graphs["propagate"].inputs if t.role is Role.INPUT]
    assert not read, "no temporal rows"
    with open_backend(bundle, threads=1) as backend:
        assert Segmenter(bundle, backend=backend, policy="ermu").gap == 5, "frames to choose from"
        published = Segmenter(bundle, backend=backend, long_edge=128)
        plugged_in = Segmenter(bundle, backend=backend, long_edge=128, policy="ermu", gap=1, capacity=3)
        for segmenter in (published, plugged_in):
            segmenter.start(clip.frames[0], _at_source(clip))
            for frame in clip.frames[1:6]:
                held = segmenter.step(frame).memory[0]
            assert held.frames[0] == 0
            assert len(held.frames) == (min(6, 1 + 5 // clip.default_gap) if segmenter is published else 3)
        assert plugged_in.memory[0].evicted is None and held.evicted is not None


def _at_source(clip):
    """The clip's label map at the size of its frames, floor nearest."""
    height, width = clip.frames.shape[1:3]
    ys = np.arange(height) * clip.label.shape[0] // height
    xs = np.arange(width) * clip.label.shape[1] // width
    return np.ascontiguousarray(clip.label[np.ix_(ys, xs)])
