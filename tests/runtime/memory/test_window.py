"""The previous frame read in a window between graphs: a zoo network with heads and relative values."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from ermu.errors import BundleError
from ermu.kernels.loading import load_kernels
from ermu.runtime.backends.loading import open_backend
from ermu.runtime.bundle.bundle import Bundle
from ermu.runtime.bundle.manifest import EXTERNAL_ATTENTION, WHOLE
from ermu.runtime.segmenter import Segmenter
from tests.support.zoo.data import load_zoo
from tests.support.zoo.run import run_zoo, zoo_bundle

CLIP = load_zoo("aott")
NARROW = tuple(p for p in load_kernels().attention.precisions if p != "fp32")


@pytest.fixture(scope="module")
def bundle():
    return zoo_bundle("aott")


@pytest.fixture(scope="module")
def external(bundle):
    with open_backend(bundle, backend="onnxruntime", plan=EXTERNAL_ATTENTION, threads=1) as backend:
        yield backend


def _propagated(run):
    """What the blocks handed to the decoder on the last frame: n x C."""
    tokens = run.z[0].reshape(run.z.shape[1], -1).T
    return tokens[:, -CLIP.lstt_frame7.shape[1] :]


def _weak(backend):
    return run_zoo(backend, CLIP, masks=CLIP.weak_masks, weak=True)


@pytest.mark.parametrize("plan", [WHOLE, EXTERNAL_ATTENTION])
def test_openvino_agrees_with_the_published_code(plan, bundle):
    pytest.importorskip("openvino")
    with open_backend(bundle, backend="openvino", plan=plan, threads=1) as backend:
        run = run_zoo(backend, CLIP, masks=CLIP.masks)
    assert np.abs(_propagated(run) - CLIP.lstt_frame7).max() < 1e-3


def test_relative_values_are_what_the_published_code_adds(external):
    """Without them the network is another: the golden run's tolerance sees it."""
    values, external.relative_values = external.relative_values, {}
    try:
        without = run_zoo(external, CLIP, masks=CLIP.masks)
    finally:
        external.relative_values = values
    assert values[0].shape == (8, 225, 32)
    assert np.abs(_propagated(without) - CLIP.lstt_frame7).max() > 5e-3
    assert np.abs(_propagated(run_zoo(external, CLIP, masks=CLIP.masks)) - CLIP.lstt_frame7).max() < 1e-3


@pytest.mark.parametrize("precision", NARROW)
def test_attention_on_the_bank_in_fewer_bits(precision, external):
    external.attention_precision = precision
    try:
        weak = _weak(external)
    finally:
        external.attention_precision = "fp32"
    assert np.abs(weak.logits[7] - CLIP.weak_logits7).mean() < 0.02 * np.abs(CLIP.weak_logits7).mean()
    assert np.mean(np.array(weak.labels) == CLIP.weak_masks) > 0.98


def test_groups_share_what_block_0_asks(bundle, external):
    """Twenty objects: the second group reads the first one's queries and biases, and memories of its own."""
    frames, label = CLIP.frames, CLIP.label
    doubled = np.where((label > 0) & (np.arange(label.shape[1]) % 2 == 0), label + 10, label)
    height, width = frames.shape[1:3]
    prompt = np.zeros((height, width), np.uint8)
    prompt[: label.shape[0], : label.shape[1]] = doubled
    with open_backend(bundle, backend="onnxruntime", plan=WHOLE, threads=1) as whole:
        inside, outside = (
            Segmenter(bundle, backend=backend, long_edge=160, gap=1) for backend in (whole, external)
        )
        for segmenter in (inside, outside):
            segmenter.start(frames[0], prompt)
        for frame in frames[1:4]:
            label_map = inside.step(frame).label
            outside.step(frame, remember=label_map)
            assert label_map.max() > 10
            assert np.abs(inside.logits() - outside.logits()).max() < 1e-3


def test_altered_relative_values_are_refused(bundle, tmp_path):
    copy = shutil.copytree(bundle.path, tmp_path / "bundle")
    file = copy / bundle.manifest.relative_values.file
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(BundleError, match="has been altered"):
        Bundle.load(copy)
