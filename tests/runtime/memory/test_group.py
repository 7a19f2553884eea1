"""More than ten objects: groups of ten with memories of their own."""

from __future__ import annotations

import numpy as np
import pytest

from ermu.errors import PromptError
from ermu.runtime.segmenter import Segmenter
from tests.support.golden_data import load_golden


def _merged(logits, hw):
    """The published merging rule, from scratch: ids 1..10 of the first run, 11..20 of the second."""
    import torch
    import torch.nn.functional as F

    big = F.interpolate(torch.from_numpy(np.stack(logits)), size=hw, mode="bilinear", align_corners=True)
    p = big.double().softmax(1)
    merged = torch.cat((p[:, :1].prod(0), p[0, 1:], p[1, 1:])).clamp(1e-5, 1 - 1e-5)
    return merged.logit().argmax(0).numpy().astype(np.uint8)


def _ids(label, low, high):
    return np.where((label >= low) & (label <= high), label, 0).astype(np.uint8)


@pytest.fixture(scope="module")
def twenty():
    """The golden clip's ten objects and ten more beside them."""
    clip = load_golden("r50_aotl")
    label = clip.label.copy()
    free = np.flatnonzero(label.ravel() == 0)
    for i, piece in enumerate(np.array_split(free, 10)):
        label.ravel()[piece[: len(piece) // 2]] = 11 + i
    return clip.frames, label


def test_two_groups_are_two_runs_merged(twenty, bundle):
    frames, label = twenty
    options = dict(capacity=4, gap=1, long_edge=288)
    together, *apart = (Segmenter(bundle("aott"), **options) for _ in range(3))
    parts = [_ids(label, 1, 10), _ids(label, 11, 20)]
    together.start(frames[0], label)
    for run, part in zip(apart, parts, strict=True):
        run.start(frames[0], part)
    for frame in frames[1:8]:
        both = together.step(frame)
        assert both.label.max() > 10
        alone = [
            run.step(frame, remember=_ids(both.label, low, low + 9))
            for run, low in zip(apart, (1, 11), strict=True)
        ]
        logits = [run.logits()[0] for run in apart]
        assert np.abs(together.logits() - np.stack(logits)).max() < 1e-4
        found = both.label, _merged(logits, label.shape)
        assert np.mean(found[0] == found[1]) > 0.9995  # the others tie, all but: processors round differently
        assert [update.frames for update in both.memory] == [run.memory_frames for run in alone]


def test_unused_channels_stay_silent(twenty, bundle):
    frames, label = twenty
    segmenter = Segmenter(bundle("aott"), long_edge=288)
    segmenter.start(frames[0], np.where(label == 3, 77, 0).astype(np.uint8))
    for frame in frames[1:4]:
        assert set(np.unique(segmenter.step(frame).label)) <= {0, 77}


def test_published_identities_stay_alive(twenty, bundle):
    """All eleven channels compete: what the ten objects' run calls 2 to 10 is nobody's here."""
    import torch.nn.functional as F
    from torch import from_numpy

    frames, label = twenty
    one = np.where(label == 3, 77, 0).astype(np.uint8)
    segmenter = Segmenter(bundle("aott"), long_edge=288, identities="published")
    segmenter.start(frames[0], one)
    ghosts = 0
    for frame in frames[1:4]:
        found = segmenter.step(frame).label
        logits = from_numpy(segmenter.logits())
        likeliest = F.interpolate(logits, size=label.shape, mode="bilinear", align_corners=True).argmax(1)[0]
        assert np.mean((found == 77) == (likeliest.numpy() == 1)) > 0.9999
        ghosts += int((likeliest > 1).sum())
    assert ghosts and set(np.unique(found)) <= {0, 77}


@pytest.mark.parametrize(
    ("label", "message"),
    [
        (np.zeros((180, 320), np.uint8), "no object"),
        (np.ones((90, 320), np.uint8), "is 320x90, the video 320x180"),
        (np.ones((180, 320, 3), np.uint8), "expected|Expected"),
    ],
)
def test_prompts_that_do_not_fit(twenty, bundle, label, message):
    with pytest.raises(PromptError, match=message):
        Segmenter(bundle("aott"), long_edge=288).start(twenty[0][0], label)
