"""Single additions, many of them: what shares a group, whom it disturbs, and that all 254 ids fit."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from ermu.errors import OptionError, PromptError
from ermu.runtime.segmenter import Segmenter
from tests.runtime.conftest import boxes

Segmenters = Callable[..., Segmenter]


def picture(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(4).integers(0, 256, (height, width, 3), np.uint8)


def tiles(objects: int, side: int, across: int) -> np.ndarray:
    """Squares side by side, ids from 1."""
    down = -(-objects // across)
    ids = np.arange(1, down * across + 1).reshape(down, across)
    return np.kron(np.where(ids > objects, 0, ids), np.ones((side, side))).astype(np.uint8)


def single(label: np.ndarray, object_id: int) -> np.ndarray:
    return np.where(label == object_id, object_id, 0).astype(np.uint8)


def test_254_single_additions_on_a_frame_are_one_label_map(tiny_segmenter: Segmenters) -> None:
    """To the bit, in the 26th group as well."""
    label = tiles(254, 6, 20)
    frame = picture(*label.shape)
    apart, together = tiny_segmenter(), tiny_segmenter()
    apart.start(frame)
    for object_id in range(1, 255):
        result = apart.add_objects(single(label, object_id))
    together.start(frame, label)
    np.testing.assert_array_equal(result.label, label)
    assert [update.ids for update in apart.memory] == [update.ids for update in together.memory]
    assert len(apart.memory) == 26 and apart.ids == list(range(1, 255))
    np.testing.assert_array_equal(apart.logits(), together.logits())
    left, right = apart.step(frame), together.step(frame)
    np.testing.assert_array_equal(left.label, right.label)
    np.testing.assert_array_equal(left.label, merged(apart.logits(), 254, left.label.shape))
    with pytest.raises(PromptError, match="in use"):
        apart.add_objects(single(label, 254))
    apart.remove_objects(range(250, 255))
    assert len(apart.memory) == 25 and len(apart.step(frame).objects) == 249


def merged(logits: np.ndarray, objects: int, hw: tuple[int, int]) -> np.ndarray:
    """The published merging rule, from scratch, in float64."""
    import torch
    import torch.nn.functional as F

    unused = torch.arange(len(logits) * 10).reshape(-1, 10) >= objects
    big = F.interpolate(torch.from_numpy(logits).double(), size=hw, mode="bilinear", align_corners=True)
    big[:, 1:][unused] = -torch.inf
    p = big.softmax(1)
    every = torch.cat((p[:, 0].prod(0)[None], p[:, 1:].flatten(0, 1)[:objects]))
    return every.clamp(1e-5, 1 - 1e-5).argmax(0).numpy().astype(np.uint8)


def test_the_same_on_a_past_frame(tiny_segmenter: Segmenters) -> None:
    label = boxes(48, 64, id1=(0, 0, 20, 20), id2=(30, 10, 60, 40), id3=(0, 30, 20, 48))
    frame = picture(48, 64)
    past = {"frame": frame, "number": 0}
    apart, together = tiny_segmenter(), tiny_segmenter()
    for segmenter in (apart, together):
        segmenter.start(frame, single(label, 1))
        segmenter.step(frame)
    apart.add_objects(single(label, 2), **past)
    apart.add_objects(single(label, 3), **past)
    together.add_objects(np.where(label > 1, label, 0).astype(np.uint8), **past)
    assert [update.ids for update in apart.memory] == [[1], [2, 3]]
    np.testing.assert_array_equal(apart.logits(), together.logits())
    apart.step(frame)
    apart.add_objects(single(boxes(48, 64, id4=(20, 20, 30, 30)), 4), **past)
    assert [update.ids for update in apart.memory] == [[1], [2, 3], [4]]  # it has been followed since


def test_beyond_the_limit_the_youngest_begin_anew_and_nobody_else(
    tiny_segmenter: Segmenters, caplog: pytest.LogCaptureFixture
) -> None:
    """One addition a frame; the joint group is what a start from that frame's label map would be."""
    caplog.set_level("INFO", "ermu.memory")
    label = tiles(12, 16, 4)
    frame = picture(*label.shape)
    alone, crowded, anew = tiny_segmenter(gap=1), tiny_segmenter(gap=1, max_groups=3), tiny_segmenter(gap=1)
    for segmenter in (alone, crowded):
        segmenter.start(frame, single(label, 1))
    for object_id in range(2, 13):
        held = np.where(label < object_id, label, 0).astype(np.uint8)
        alone.step(frame, remember=single(label, 1))
        crowded.step(frame, remember=held)
        crowded.add_objects(single(label, object_id), known=held)
        assert np.array_equal(alone.logits()[0], crowded.logits()[0])
    anew.start(frame, np.where(label > 2, label, 0).astype(np.uint8), number=11)
    anew.step(frame)
    result = crowded.step(frame)
    assert [update.ids for update in result.memory] == [[1], [2], list(range(3, 13))]
    assert [update.frames[0] for update in result.memory] == [0, 1, 11]
    assert np.array_equal(crowded.logits()[2], anew.logits()[0])
    told = [record.getMessage() for record in caplog.records]
    assert told[0] == "Groups are many: the memories of objects [3] begin anew at frame 3."
    assert len({record.levelname for record in caplog.records}) == 1


def test_one_out_of_sight_is_given_up_when_labels_run_out_and_not_before(
    tiny_segmenter: Segmenters, caplog: pytest.LogCaptureFixture
) -> None:
    """Every group has an object that the label map does not show."""
    label = tiles(30, 8, 6)
    frame, nothing = picture(*label.shape), np.zeros_like(label)
    segmenter = tiny_segmenter(max_groups=2)
    segmenter.start(frame, single(label, 1))
    for object_id in range(2, 27):
        segmenter.step(frame)
        segmenter.add_objects(single(label, object_id), known=nothing)
    assert len(segmenter.memory) == 26 and len(segmenter.ids) == 26
    segmenter.step(frame)
    segmenter.add_objects(single(label, 27), known=nothing)
    assert segmenter.ids == [*range(1, 26), 27]  # the youngest has gone
    assert [r.getMessage() for r in caplog.records if r.levelname == "WARNING"] == [
        "Groups are many: objects [26], not on frame 26, are given up."
    ]


def test_what_is_refused(tiny_segmenter: Segmenters) -> None:
    for number in (0, 26, 1.5):
        with pytest.raises(OptionError, match="max_groups is"):
            tiny_segmenter(max_groups=number)
    label = tiles(254, 6, 20)
    segmenter = tiny_segmenter(identities="published")
    with pytest.raises(PromptError, match="has 254 objects"):
        segmenter.start(picture(*label.shape), label)
    segmenter.start(picture(*label.shape), np.where(label > 250, 0, label).astype(np.uint8))
    segmenter.step(picture(*label.shape))
    with pytest.raises(PromptError, match="do not fit"):
        segmenter.add_objects(single(label, 251), known=label)
    assert len(segmenter.ids) == 250
