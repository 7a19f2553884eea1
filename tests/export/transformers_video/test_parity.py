"""A bundle through `Segmenter` against transformers' own video session: three objects, one of them later.

A session an object: in one session of several, transformers remembers a frame of every object as certain when
any of them gets a prompt there (docs/sam2.md).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest
import torch
from torch.nn.functional import interpolate

from ermu import Segmenter
from ermu.runtime.images.prompter import Box, Point
from tests.support.sam2.clip import frames_of, masks_of
from tests.support.sam2.network import SIDE, small_model
from tests.support.sam2.session import Reference

pytest.importorskip("transformers")
FRAMES, LATER = 20, 6  # frames in all; that on which the third object begins
ABSENT = -1024


class Followed(NamedTuple):
    """A frame: logits by object, those of objects that have begun, and the label map."""

    logits: list[np.ndarray]
    label: np.ndarray


@pytest.fixture(scope="module")
def clip():
    """The frames as bytes: at the network's own size nothing is resized."""
    return [np.uint8(frame.numpy()) for frame in frames_of(FRAMES)]


@pytest.fixture(scope="module")
def published(clip):
    """What transformers' sessions say, and the label map that follows: the largest logit, or background."""
    model, masks = small_model(), masks_of()
    references, found = [Reference(model) for _ in masks], []
    for index, frame in enumerate(clip):
        begun = references if index >= LATER else references[:2]
        logits = []
        for k, reference in enumerate(begun):
            prompt = masks[k] if index == (LATER if k == 2 else 0) else None
            output = reference.step(torch.from_numpy(frame).float(), prompt)
            logits.append(output.pred_masks[0, 0])
        large = interpolate(torch.stack(logits)[None], size=(SIDE, SIDE), mode="bilinear")[0]
        label = torch.cat([torch.zeros(1, SIDE, SIDE), large]).argmax(0)
        found.append(Followed([x.numpy() for x in logits], label.numpy()))
    return found


@pytest.fixture(scope="module", params=["onnxruntime", "openvino"])
def ours(request, clip, sam2_bundle):
    pytest.importorskip(request.param)
    masks = masks_of().numpy().astype(np.uint8)
    segmenter, found = Segmenter(sam2_bundle, backend=request.param, precision="fp32"), []
    for index, frame in enumerate(clip):
        bgr = np.ascontiguousarray(frame[..., ::-1])
        result = segmenter.step(bgr) if index else segmenter.start(bgr, masks[0] + 2 * masks[1])
        if index == LATER:
            result = segmenter.add_objects(3 * masks[2])
        logits = segmenter.logits()[0, 1 : 1 + len(segmenter.ids)]
        found.append(Followed(list(logits.copy()), result.label))
    return found


def test_logits_are_the_published_ones(ours, published):
    for got, wanted in zip(ours, published, strict=True):
        assert len(got.logits) == len(wanted.logits)
        for mine, theirs in zip(got.logits, wanted.logits, strict=True):
            assert np.abs(mine - theirs).max() < 2e-3


def test_the_same_objects_are_present(ours, published):
    there = [[bool(x.max() > ABSENT) for x in frame.logits] for frame in published]
    assert [[bool(x.max() > ABSENT) for x in frame.logits] for frame in ours] == there
    assert 0 < sum(not x for frame in there for x in frame) < 30, "objects that come and go"


def test_label_maps_are_the_published_ones(ours, published):
    """Frames with a prompt have the label map that was given."""
    followed = [i for i in range(FRAMES) if i not in (0, LATER)]
    same = [float((ours[i].label == published[i].label).mean()) for i in followed]
    assert min(same) >= 0.998
    masks = masks_of().numpy()
    assert np.array_equal(ours[0].label, masks[0] + 2 * masks[1])
    assert (ours[LATER].label[masks[2] > 0] == 3).all()


def test_the_clip_would_show_a_difference(published):
    """Objects differ by their memories alone, and by several times what is allowed."""
    both = [frame.logits[:2] for frame in published[1:] if all(x.max() > ABSENT for x in frame.logits[:2])]
    assert len(both) > 10
    assert all(np.abs(first - second).max() > 0.01 for first, second in both)


@pytest.mark.parametrize(
    ("hint", "clicks"),
    [
        ([Point(100, 90)], ([(100.0, 90.0)], [1])),
        (Box(50, 20, 120, 70), ([(50.0, 20.0), (120.0, 70.0)], [2, 3])),
    ],
    ids=["click", "box"],
)
def test_an_object_begun_by_clicks_is_followed_as_the_published_one(clip, sam2_bundle, hint, clicks):
    reference, segmenter = Reference(small_model()), Segmenter(sam2_bundle, backend="onnxruntime")
    logits = []
    for index, frame in enumerate(clip[:10]):
        bgr = np.ascontiguousarray(frame[..., ::-1])
        if index:
            segmenter.step(bgr)
        else:
            segmenter.start(bgr, masks_of()[0].numpy().astype(np.uint8))
            segmenter.add_object_at(2, hint)
        output = reference.step(torch.from_numpy(frame).float(), clicks=None if index else clicks)
        logits.append(output.pred_masks[0, 0].numpy())
        assert np.abs(segmenter.logits()[0, 2] - logits[-1]).max() < 2e-3
    there = [bool(x.max() > ABSENT) for x in logits]
    assert there[0] and set(there) == {True, False}
